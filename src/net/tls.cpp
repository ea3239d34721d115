#include "net/tls.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <string_view>

#include "net/server_name.hpp"

namespace howdah::net {
namespace {

constexpr unsigned char kAlpn[] = "\x0apostgresql";
constexpr unsigned int kAlpnLength = sizeof kAlpn - 1;

// Chooses "postgresql"; anything else is refused with the alert that libpq expects.
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_length,
                const unsigned char* offered, unsigned int offered_length, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_length, kAlpn, kAlpnLength, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

Error tls_error(const std::string& what, const std::string& file = {}) {
    std::string reason = take_openssl_error();
    std::string message = file.empty() ? what : fmt::format("{} \"{}\"", what, file);
    return Error(ErrorCode::kInvalidInput,
                 reason.empty() ? message : fmt::format("{}: {}", message, reason));
}

// "secure" is TLS 1.2 and 1.3, "all" whatever OpenSSL still speaks, or a list of versions.
Result<> set_protocols(SSL_CTX* context, const std::string& protocols) {
    if (protocols.empty() || protocols == "secure" || protocols == "default") {
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        return {};
    }
    if (protocols == "all" || protocols == "legacy") {
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        return {};
    }
    constexpr std::pair<std::string_view, std::uint64_t> kVersions[] = {
        {"tlsv1.0", SSL_OP_NO_TLSv1},
        {"tlsv1.1", SSL_OP_NO_TLSv1_1},
        {"tlsv1.2", SSL_OP_NO_TLSv1_2},
        {"tlsv1.3", SSL_OP_NO_TLSv1_3}};
    std::uint64_t off = 0;
    for (const auto& [name, flag] : kVersions) {
        off |= flag;
    }
    std::string_view rest = protocols;
    while (!rest.empty()) {
        const std::size_t end = rest.find_first_of(",: ");
        const std::string_view word = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        bool known = word.empty();
        for (const auto& [name, flag] : kVersions) {
            if (name == word) {
                off &= ~flag;
                known = true;
            }
        }
        if (!known) {
            return fail(ErrorCode::kInvalidInput, fmt::format("unknown TLS protocol \"{}\"", word));
        }
    }
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_options(context, off);
    return {};
}

// An encrypted key would make OpenSSL ask on the terminal, and a reload wait for the answer.
int refuse_passphrase(char*, int, int, void*) {
    return -1;
}

Result<> load_files(SSL_CTX* context, const TlsOptions& options) {
    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
    if (!options.certificate_file.empty()) {
        if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
            return fail(tls_error("could not load certificate file", options.certificate_file));
        }
        const std::string& key =
            options.key_file.empty() ? options.certificate_file : options.key_file;
        if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
            return fail(tls_error("could not load private key file", key));
        }
        if (SSL_CTX_check_private_key(context) != 1) {
            return fail(tls_error("private key does not match the certificate", key));
        }
    }
    if (!options.ca_file.empty()) {
        if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
            return fail(tls_error("could not load CA file", options.ca_file));
        }
        if (options.role == TlsRole::kServer) {
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.ca_file.c_str()));
        }
    } else if (options.verify != TlsVerify::kNone) {
        SSL_CTX_set_default_verify_paths(context);
    }
    return {};
}

Result<> set_algorithms(SSL_CTX* context, const TlsOptions& options) {
    TRY_VOID(set_protocols(context, options.protocols));
    std::string ciphers = options.ciphers;
    if (ciphers == "default" || ciphers == "secure" || ciphers == "fast") {
        ciphers = "HIGH:MEDIUM:+3DES:!aNULL";
    }
    if (!ciphers.empty() && SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
        return fail(tls_error(fmt::format("no usable cipher in \"{}\"", options.ciphers)));
    }
    if (!options.tls13_ciphersuites.empty() &&
        SSL_CTX_set_ciphersuites(context, options.tls13_ciphersuites.c_str()) != 1) {
        return fail(tls_error(fmt::format("failed to set the TLSv1.3 cipher suites \"{}\"",
                                          options.tls13_ciphersuites)));
    }
    if (!options.ecdh_curve.empty() && options.ecdh_curve != "auto" &&
        options.ecdh_curve != "none" &&
        SSL_CTX_set1_curves_list(context, options.ecdh_curve.c_str()) != 1) {
        return fail(tls_error(fmt::format("unknown ECDH curve \"{}\"", options.ecdh_curve)));
    }
    if (options.dhe_params != "none") {
        SSL_CTX_set_dh_auto(context, 1);
    }
    return {};
}

void set_verification(SSL_CTX* context, const TlsOptions& options) {
    int mode = SSL_VERIFY_NONE;
    if (options.role == TlsRole::kServer) {
        if (options.require_client_certificate) {
            mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
        } else if (options.request_client_certificate) {
            mode = SSL_VERIFY_PEER;
        }
    } else if (options.verify != TlsVerify::kNone) {
        mode = SSL_VERIFY_PEER;
    }
    SSL_CTX_set_verify(context, mode, nullptr);
}

}  // namespace

std::string take_openssl_error() {
    std::string text;
    while (const unsigned long code = ERR_get_error()) {
        char buffer[256];
        ERR_error_string_n(code, buffer, sizeof buffer);
        const char* reason = ERR_reason_error_string(code);
        if (text.empty()) {
            text = reason != nullptr ? reason : buffer;
        }
    }
    return text;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const TlsOptions& options) {
    std::shared_ptr<TlsContext> result(new TlsContext());
    result->options_ = options;
    const SSL_METHOD* method =
        options.role == TlsRole::kServer ? TLS_server_method() : TLS_client_method();
    result->context_ = SSL_CTX_new(method);
    if (result->context_ == nullptr) {
        return fail(tls_error("could not create a TLS context"));
    }
    SSL_CTX* context = result->context_;
    // Renegotiation and compression have no use here and a history of trouble.
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    TRY_VOID(set_algorithms(context, options));
    TRY_VOID(load_files(context, options));
    set_verification(context, options);
    if (options.role == TlsRole::kServer) {
        SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
        // No resumption, like PostgreSQL: two tickets after each handshake that no client uses.
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(context, 0);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    } else {
        SSL_CTX_set_alpn_protos(context, kAlpn, kAlpnLength);
    }
    return std::shared_ptr<const TlsContext>(std::move(result));
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

Result<std::unique_ptr<TlsSession>> TlsSession::create(TlsRole role,
                                                       std::shared_ptr<const TlsContext> context,
                                                       const std::string& server_name) {
    std::unique_ptr<TlsSession> session(new TlsSession());
    session->context_ = std::move(context);
    session->role_ = role;
    session->ssl_ = SSL_new(session->context_->native());
    if (session->ssl_ == nullptr) {
        return fail(tls_error("could not create a TLS session"));
    }
    SSL* ssl = session->ssl_;
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
    if (role == TlsRole::kServer) {
        SSL_set_accept_state(ssl);
        return session;
    }
    SSL_set_connect_state(ssl);
    std::array<unsigned char, 16> binary{};
    const bool numeric = ::inet_pton(AF_INET, server_name.c_str(), binary.data()) == 1 ||
                         ::inet_pton(AF_INET6, server_name.c_str(), binary.data()) == 1;
    if (!server_name.empty() && !numeric) {
        SSL_set_tlsext_host_name(ssl, server_name.c_str());
    }
    if (session->context_->options().verify == TlsVerify::kFull) {
        if (server_name.empty()) {
            return fail(ErrorCode::kInvalidInput, "cannot verify the server's name: none is given");
        }
        session->name_to_verify_ = server_name;
    }
    return session;
}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
}

void TlsSession::feed(std::span<const std::uint8_t> ciphertext) {
    if (!ciphertext.empty()) {
        BIO_write(SSL_get_rbio(ssl_), ciphertext.data(), static_cast<int>(ciphertext.size()));
    }
}

// The chain was verified by OpenSSL; its rules for names are not libpq's (an address never matches
// the common name, "*.internal" matches nothing).
Result<> TlsSession::verify_name() const {
    if (name_to_verify_.empty()) {
        return {};
    }
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate != nullptr && certificate_is_for_host(certificate, name_to_verify_)) {
        return {};
    }
    return fail(ErrorCode::kProtocol,
                fmt::format("TLS handshake failed: certificate verify failed: the server's "
                            "certificate is not for host \"{}\"",
                            name_to_verify_));
}

Result<bool> TlsSession::handshake() {
    ERR_clear_error();
    const int status = SSL_do_handshake(ssl_);
    if (status == 1) {
        TRY_VOID(verify_name());
        established_ = true;
        return true;
    }
    const int error = SSL_get_error(ssl_, status);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return false;
    }
    const long verify = SSL_get_verify_result(ssl_);
    std::string reason = take_openssl_error();
    if (verify != X509_V_OK) {
        reason =
            fmt::format("certificate verify failed: {}", X509_verify_cert_error_string(verify));
    }
    return fail(ErrorCode::kProtocol, fmt::format("TLS handshake failed: {}", reason));
}

TlsSession::Outcome TlsSession::decrypt(BlockPool& pool, const Sink& sink) {
    while (true) {
        Block* block = pool.allocate();
        ERR_clear_error();
        const int n = SSL_read(ssl_, block->data(), static_cast<int>(block->capacity));
        Slice slice(block, 0, n > 0 ? static_cast<std::size_t>(n) : 0);
        if (n > 0) {
            sink(std::move(slice));
            continue;
        }
        switch (SSL_get_error(ssl_, n)) {
            case SSL_ERROR_WANT_READ:
            case SSL_ERROR_WANT_WRITE:
                return Outcome::kOpen;
            case SSL_ERROR_ZERO_RETURN:
                return Outcome::kClosed;
            default:
                return Outcome::kFailed;
        }
    }
}

bool TlsSession::encrypt(std::span<const std::uint8_t> plaintext) {
    while (!plaintext.empty()) {
        ERR_clear_error();
        const int n = SSL_write(ssl_, plaintext.data(), static_cast<int>(plaintext.size()));
        if (n <= 0) {
            return false;
        }
        plaintext = plaintext.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

bool TlsSession::has_output() const {
    return BIO_ctrl_pending(SSL_get_wbio(ssl_)) > 0;
}

void TlsSession::take_output(BlockPool& pool, const Sink& sink) {
    while (has_output()) {
        Block* block = pool.allocate();
        const int n =
            BIO_read(SSL_get_wbio(ssl_), block->data(), static_cast<int>(block->capacity));
        Slice slice(block, 0, n > 0 ? static_cast<std::size_t>(n) : 0);
        if (n <= 0) {
            return;
        }
        sink(std::move(slice));
    }
}

void TlsSession::shut_down() {
    if (established_) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
    }
}

std::string TlsSession::version() const {
    return SSL_get_version(ssl_);
}

std::string TlsSession::cipher() const {
    const char* name = SSL_get_cipher_name(ssl_);
    return name != nullptr ? name : "";
}

std::string TlsSession::alpn() const {
    const unsigned char* name = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl_, &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

bool TlsSession::has_peer_certificate() const {
    return SSL_get0_peer_certificate(ssl_) != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK;
}

std::string TlsSession::peer_common_name() const {
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) {
        return {};
    }
    std::string name = common_name(certificate);
    // A NUL inside would let "alice\0.evil" pass for "alice" (CVE-2009-4034).
    return name.find('\0') == std::string::npos ? name : std::string();
}

std::vector<std::string> TlsSession::peer_alternative_names() const {
    std::vector<std::string> names;
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    auto* list = certificate == nullptr ? nullptr
                                        : static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(
                                              certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list); ++i) {
        const GENERAL_NAME* one = sk_GENERAL_NAME_value(list, i);
        if (one->type != GEN_DNS) {
            continue;
        }
        std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
                         static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
        if (name.find('\0') == std::string::npos) {
            names.push_back(std::move(name));
        }
    }
    GENERAL_NAMES_free(list);
    return names;
}

std::vector<std::uint8_t> TlsSession::server_certificate() const {
    X509* certificate =
        role_ == TlsRole::kServer ? SSL_get_certificate(ssl_) : SSL_get0_peer_certificate(ssl_);
    if (certificate == nullptr) {
        return {};
    }
    unsigned char* der = nullptr;
    const int length = i2d_X509(certificate, &der);
    if (length <= 0) {
        return {};
    }
    std::vector<std::uint8_t> bytes(der, der + length);
    OPENSSL_free(der);
    return bytes;
}

}  // namespace howdah::net
