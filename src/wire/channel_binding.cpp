#include "wire/channel_binding.hpp"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>
#include <limits>
#include <memory>

namespace howdah::wire {

Result<std::string> tls_server_end_point(std::span<const std::uint8_t> der) {
    const std::uint8_t* cursor = der.data();
    const std::size_t size_max = std::numeric_limits<long>::max();
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        der.size() <= size_max ? d2i_X509(nullptr, &cursor, static_cast<long>(der.size()))
                               : nullptr,
        &X509_free);
    if (certificate == nullptr) {
        return fail(ErrorCode::kInvalidInput, "channel binding: not a DER certificate");
    }
    int hash_nid = NID_undef;
    if (X509_get_signature_info(certificate.get(), &hash_nid, nullptr, nullptr, nullptr) != 1 ||
        hash_nid == NID_undef) {
        return fail(ErrorCode::kUnavailable,
                    "channel binding: the certificate's signature has no single hash");
    }
    const EVP_MD* hash =
        hash_nid == NID_md5 || hash_nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash_nid);
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    if (hash == nullptr || X509_digest(certificate.get(), hash, digest.data(), &size) != 1) {
        return fail(ErrorCode::kUnavailable,
                    "channel binding: OpenSSL lacks the hash of the certificate's signature");
    }
    return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

}  // namespace howdah::wire
