// TLS over OpenSSL, without sockets: ciphertext in and out as slices. TlsContext is what a
// configuration gives (immutable, shared, replaced whole on reload); TlsSession is one connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/block.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace howdah::net {

enum class TlsRole : std::uint8_t { kServer, kClient };

// Names as in libpq: allow and prefer concern the decision to ask for TLS, not the handshake.
enum class TlsVerify : std::uint8_t { kNone, kCa, kFull };

struct TlsOptions {
    TlsRole role = TlsRole::kServer;
    std::string certificate_file;
    std::string key_file;
    std::string ca_file;
    std::string ciphers;  // TLS 1.2 list; empty = OpenSSL's default
    std::string tls13_ciphersuites;
    std::string protocols;   // "secure", "all", "tlsv1.2,tlsv1.3", ...; empty = secure
    std::string ecdh_curve;  // "auto" or names
    std::string dhe_params;  // "auto", "none" or "legacy"
    TlsVerify verify = TlsVerify::kNone;
    bool request_client_certificate = false;  // server role: ask, verify if one is sent
    bool require_client_certificate = false;  // server role: refuse without one
};

class TlsContext {
  public:
    // Errors name the file that could not be used and OpenSSL's reason.
    static Result<std::shared_ptr<const TlsContext>> create(const TlsOptions& options);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    ssl_ctx_st* native() const { return context_; }
    const TlsOptions& options() const { return options_; }

  private:
    TlsContext() = default;
    ssl_ctx_st* context_ = nullptr;
    TlsOptions options_;
};

class TlsSession {
  public:
    enum class Outcome : std::uint8_t { kOpen, kClosed, kFailed };
    using Sink = std::function<void(Slice)>;

    // server_name: SNI and, with TlsVerify::kFull, the name that the certificate must carry (an
    // error without one: an empty name would match every certificate).
    static Result<std::unique_ptr<TlsSession>> create(TlsRole role,
                                                      std::shared_ptr<const TlsContext> context,
                                                      const std::string& server_name);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    void feed(std::span<const std::uint8_t> ciphertext);
    // One step of the handshake: true when done, false when more bytes are needed.
    Result<bool> handshake();
    bool established() const { return established_; }
    Outcome decrypt(BlockPool& pool, const Sink& sink);
    // False when the session has failed and takes no more.
    bool encrypt(std::span<const std::uint8_t> plaintext);
    bool has_output() const;
    void take_output(BlockPool& pool, const Sink& sink);
    void shut_down();

    std::string version() const;  // "TLSv1.3"
    std::string cipher() const;   // "TLS_AES_256_GCM_SHA384"
    std::string alpn() const;     // "postgresql" or empty
    bool has_peer_certificate() const;
    std::string peer_common_name() const;
    // The DNS names of its subject alternative names.
    std::vector<std::string> peer_alternative_names() const;
    // DER of the certificate of the server side, ours or the peer's: for tls-server-end-point.
    std::vector<std::uint8_t> server_certificate() const;

  private:
    TlsSession() = default;
    Result<> verify_name() const;

    std::shared_ptr<const TlsContext> context_;
    ssl_st* ssl_ = nullptr;
    TlsRole role_ = TlsRole::kServer;
    bool established_ = false;
    std::string name_to_verify_;  // of TlsVerify::kFull
};

// OpenSSL's queue of errors as one line; empties it.
std::string take_openssl_error();

}  // namespace howdah::net
