// Certificates for the tests, made by OpenSSL at run time in a folder that goes with the object.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

namespace howdah::net {

class Certificates {
  public:
    Certificates() {
        char name[] = "/tmp/howdah-tls-XXXXXX";
        folder_ = ::mkdtemp(name);
        ca_key_ = make_key();
        ca_ = issue({.common_name = "Test CA", .authority = true}, ca_key_.get());
        write_certificate("ca", ca_.get());
        issue_files({.common_name = "server.test", .alternative = "DNS:server.test,IP:127.0.0.1"},
                    "server");
        issue_files({.common_name = "alice", .alternative = ""}, "alice");
        // Another authority, that nobody here trusts.
        const Key key = make_key();
        const Certificate other = issue_by({.common_name = "Other CA", .authority = true},
                                           {key.get(), key.get(), nullptr});
        write_certificate("other_ca", other.get());
    }
    // A server's certificate and key, NAME.crt and NAME.key. `alternative`: "DNS:a,IP:::1", or
    // none.
    void issue_server(const std::string& name, const std::string& common_name,
                      const std::string& alternative) {
        issue_files({.common_name = common_name, .alternative = alternative}, name);
    }
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;
    ~Certificates() { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    // The server's key again, under a passphrase.
    std::string encrypted_key() const {
        const Key key = make_key();
        const std::string file = path("encrypted.key");
        FILE* out = std::fopen(file.c_str(), "w");
        unsigned char secret[] = "secret";
        PEM_write_PrivateKey(out, key.get(), EVP_aes_128_cbc(), secret, 6, nullptr, nullptr);
        std::fclose(out);
        return file;
    }

  private:
    template <auto Free>
    struct Freer {
        template <typename T>
        void operator()(T* object) const {
            Free(object);
        }
    };
    using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
    using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
    struct Subject {
        std::string common_name;
        std::string alternative = {};
        bool authority = false;
    };
    struct Signing {
        EVP_PKEY* subject_key;
        EVP_PKEY* signing_key;
        X509* authority;  // null: self-signed
    };

    static Key make_key() { return Key(EVP_EC_gen("P-256")); }
    Certificate issue(const Subject& subject, EVP_PKEY* key) {
        return issue_by(subject, {key, ca_key_.get(), ca_.get()});
    }
    static Certificate issue_by(const Subject& subject, const Signing& signing) {
        static long serial = 1;
        Certificate certificate(X509_new());
        X509* x509 = certificate.get();
        X509_set_version(x509, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x509), 24L * 3600);
        X509_NAME* name = X509_get_subject_name(x509);
        X509_NAME_add_entry_by_txt(
            name, "CN", MBSTRING_ASC,
            reinterpret_cast<const unsigned char*>(subject.common_name.c_str()), -1, -1, 0);
        X509* authority = signing.authority != nullptr ? signing.authority : x509;
        X509_set_issuer_name(x509, X509_get_subject_name(authority));
        X509_set_pubkey(x509, signing.subject_key);
        add_extension(x509, NID_basic_constraints,
                      subject.authority ? "critical,CA:TRUE" : "CA:FALSE");
        if (!subject.alternative.empty()) {
            add_extension(x509, NID_subject_alt_name, subject.alternative.c_str());
        }
        X509_sign(x509, signing.signing_key, EVP_sha256());
        return certificate;
    }
    static void add_extension(X509* x509, int nid, const char* value) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
    }
    void issue_files(const Subject& subject, const std::string& name) {
        const Key key = make_key();
        const Certificate certificate = issue(subject, key.get());
        write_certificate(name, certificate.get());
        FILE* out = std::fopen(path(name + ".key").c_str(), "w");
        PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(out);
    }
    void write_certificate(const std::string& name, X509* certificate) {
        FILE* out = std::fopen(path(name + ".crt").c_str(), "w");
        PEM_write_X509(out, certificate);
        std::fclose(out);
    }

    std::string folder_;
    Key ca_key_;
    Certificate ca_;
};

}  // namespace howdah::net
