// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) as PostgreSQL speaks them: pure steps,
// message bytes in, message bytes out. No I/O, no clock, no randomness: nonces come from the
// caller.
//
//     client                                        server
//     choose(), first()      n,,n=,r=<nonce>   ->   first()
//     final()                <-   r=<nonce+nonce>,s=<salt>,i=<n>
//                            c=..,r=..,p=<proof> -> final()
//     verify()               <-   v=<signature>
//
// Each object serves one login, on one thread; a step out of order is a broken invariant (ASSERT).
// Errors carry the SQLSTATE that PostgreSQL uses: 08P01 malformed, 28P01 wrong password,
// 28000 channel binding, 0A000 unsupported extension.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/secret.hpp"

namespace howdah::wire {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
inline constexpr int kScramIterationsDefault = 4096;
// About a third of a second of one core: more from a server is an attack or a mistake.
inline constexpr int kScramIterationsMax = 1'000'000;

// "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>" (PostgreSQL manual, pg_authid).
struct ScramVerifier {
    int iterations = kScramIterationsDefault;
    std::string salt;  // decoded
    Secret stored_key;
    Secret server_key;

    // Whether the clear password is the one behind this; costs `iterations` hashes.
    [[nodiscard]] bool matches(std::string_view password) const;
    [[nodiscard]] std::string text() const;
};

// What logs in without the password, at a server with the same salt and iterations only.
struct ScramKeys {
    int iterations = 0;
    std::string salt;  // decoded
    Secret client_key;
    Secret server_key;
};

[[nodiscard]] Result<ScramVerifier> parse_verifier(std::string_view text);

// Costs `iterations` hashes: the caller keeps the result for users with a plain password.
[[nodiscard]] ScramVerifier make_verifier(std::string_view password, std::string_view salt,
                                          int iterations);

// A verifier that nobody can satisfy, for users that do not exist or have no SCRAM secret: always
// the same salt for a user, so that asking twice tells nothing. `process_secret` is random and
// lives as long as the process. Use it with ScramServerOptions::doomed.
[[nodiscard]] ScramVerifier mock_verifier(std::string_view user, const Secret& process_secret,
                                          int iterations);

// 18 random bytes in base64, as PostgreSQL makes them.
[[nodiscard]] Result<std::string> scram_nonce();
// 16 random bytes.
[[nodiscard]] Result<std::string> scram_salt();

struct ScramServerOptions {
    std::string nonce = {};                 // from scram_nonce()
    std::string channel_binding_data = {};  // tls_server_end_point(); empty: -PLUS was not offered
    bool doomed = false;                    // go through the motions, then refuse
};

class ScramServer {
  public:
    ScramServer(ScramVerifier verifier, ScramServerOptions options);

    // SASLInitialResponse in; the data for AuthenticationSASLContinue out.
    [[nodiscard]] Result<std::string> first(std::string_view mechanism,
                                            std::string_view client_first);
    // SASLResponse in; the data for AuthenticationSASLFinal out. 28P01 for a wrong password.
    [[nodiscard]] Result<std::string> final(std::string_view client_final);

    // After final() succeeded: logs in at a server that has the same secret (pass-through).
    [[nodiscard]] ScramKeys keys() const;

  private:
    enum class Step : std::uint8_t { kFirst, kFinal, kDone, kFailed };

    Result<> check_binding_flag(std::string_view mechanism, std::string_view header) const;
    bool proof_is_right(std::string_view proof, std::string_view auth_message);

    ScramVerifier verifier_;
    ScramServerOptions options_;
    Step step_ = Step::kFirst;
    std::string gs2_header_;
    std::string nonce_;  // client's and ours
    std::string client_first_bare_;
    std::string server_first_;
    Secret client_key_;
};

enum class ChannelBinding : std::uint8_t { kDisable, kPrefer, kRequire };

struct ScramClientOptions {
    std::string nonce = {};  // from scram_nonce()
    // Of the server's certificate; empty: no TLS, or a signature without a hash.
    std::string channel_binding_data = {};
    ChannelBinding channel_binding = ChannelBinding::kPrefer;
    int iterations_max = kScramIterationsMax;
    // Keys made from the same password before: with the same salt and iterations they are used, and
    // the iterations are not done again.
    std::optional<ScramKeys> known_keys = {};
};

class ScramClient {
  public:
    ScramClient(Secret password, ScramClientOptions options);
    // Keys of an earlier login or of a client's own; a server with another salt or iteration count
    // is an error that says so.
    ScramClient(ScramKeys keys, ScramClientOptions options);

    // From the mechanisms of AuthenticationSASL; the name for SASLInitialResponse.
    [[nodiscard]] Result<std::string_view> choose(std::span<const std::string_view> mechanisms);
    [[nodiscard]] std::string first();
    // Data of AuthenticationSASLContinue in, SASLResponse out. With a password this costs the
    // server's number of iterations.
    [[nodiscard]] Result<std::string> final(std::string_view server_first);
    // Data of AuthenticationSASLFinal: proves that the server knows the secret too.
    [[nodiscard]] Result<> verify(std::string_view server_final);

    // After verify(): for the next login to the same server, without the iterations.
    [[nodiscard]] const ScramKeys& keys() const { return keys_; }

  private:
    enum class Step : std::uint8_t { kChoose, kFirst, kFinal, kVerify, kDone, kFailed };

    Result<> take_salt(std::string salt, int iterations);

    std::optional<Secret> password_;
    ScramKeys keys_;
    ScramClientOptions options_;
    Step step_ = Step::kChoose;
    std::string gs2_header_;
    std::string auth_message_;
};

}  // namespace howdah::wire
