#include "wire/channel_binding.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

namespace howdah::wire {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// A self-signed certificate, in DER.
std::vector<std::uint8_t> certificate(const Key& key, const EVP_MD* hash) {
    const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(), &X509_free);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    EXPECT_GT(X509_sign(x509.get(), key.get(), hash), 0);
    std::vector<std::uint8_t> der(static_cast<std::size_t>(i2d_X509(x509.get(), nullptr)));
    std::uint8_t* cursor = der.data();
    i2d_X509(x509.get(), &cursor);
    return der;
}

std::string digest(const std::vector<std::uint8_t>& bytes, const EVP_MD* hash) {
    std::string result(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(result.data()), &size,
               hash, nullptr);
    result.resize(size);
    return result;
}

TEST(TlsServerEndPoint, HashFollowsTheSignature) {
    const Key key(EVP_RSA_gen(2048), &EVP_PKEY_free);
    const std::pair<const EVP_MD*, const EVP_MD*> cases[] = {
        {EVP_sha1(), EVP_sha256()},   {EVP_md5(), EVP_sha256()},    {EVP_sha256(), EVP_sha256()},
        {EVP_sha384(), EVP_sha384()}, {EVP_sha512(), EVP_sha512()},
    };
    for (const auto& [signed_with, expected] : cases) {
        const auto der = certificate(key, signed_with);
        EXPECT_EQ(tls_server_end_point(der), digest(der, expected));
    }
}

TEST(TlsServerEndPoint, NoneForEd25519AndRubbish) {
    const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
    EXPECT_FALSE(tls_server_end_point(certificate(key, nullptr)));
    EXPECT_FALSE(tls_server_end_point({}));
    const std::vector<std::uint8_t> rubbish = {0x30, 0x82, 0xff, 0xff, 0x00};
    EXPECT_FALSE(tls_server_end_point(rubbish));
}

}  // namespace
}  // namespace howdah::wire
