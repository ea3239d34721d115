// What is asked of LDAP or PAM, and what they say.
#pragma once

#include <chrono>
#include <string>

#include "base/result.hpp"
#include "config/ldap_options.hpp"
#include "net/loop.hpp"
#include "wire/secret.hpp"

namespace howdah::auth {

struct Question {
    config::LdapOptionsPtr ldap;  // null: PAM is asked
    std::string pam_service;
    std::string user;
    std::string host;       // the client's address, for PAM; empty: a unix socket
    wire::Secret password;  // never empty: an empty one makes an LDAP bind anonymous, and succeed
    // Whoever waits for the answer is gone then.
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct Verdict {
    Result<> result;          // the error's message is for the log, not for the client
    std::string remark = {};  // for the log, whatever the result
    net::Duration delay{};    // how long a refusal is to be kept back
};

}  // namespace howdah::auth
