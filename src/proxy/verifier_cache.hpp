// VerifierCache: SCRAM verifiers of users whose passwords are stored in clear, so that the 4096
// hashes are computed once and not at every login. One a worker.
//
// 1. A user's salt depends on the process's secret and on its name only: the same on every loop,
//    and the same that a user who does not exist would get (wire::mock_verifier). The secret is not
//    made from the passwords, so that salts outlive the process: whoever asks for a salt could then
//    try passwords against it without asking us again.
#pragma once

#include <string>
#include <unordered_map>

#include "wire/scram.hpp"
#include "wire/secret.hpp"

namespace howdah::proxy {

class VerifierCache {
  public:
    explicit VerifierCache(const wire::Secret& secret) : secret_(secret) {}

    wire::ScramVerifier find(const std::string& user, const wire::Secret& password, int iterations);
    // Nobody can satisfy it.
    wire::ScramVerifier mock(const std::string& user, int iterations) const {
        return wire::mock_verifier(user, secret_, iterations);
    }
    std::size_t computed() const { return computed_; }

    static constexpr std::size_t kUsersMax = 10'000;

  private:
    struct Entry {
        wire::Secret password;
        wire::ScramVerifier verifier;
    };
    const wire::Secret& secret_;
    std::unordered_map<std::string, Entry> entries_;
    std::size_t computed_ = 0;
};

}  // namespace howdah::proxy
