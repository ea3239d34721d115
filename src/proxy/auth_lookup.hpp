// AuthLookups: asks a database for a user's stored password (auth_query), as auth_user, through a
// pool of that user on this loop. Lives on its worker's loop.
//
// 1. The query runs with parameters of ours: nothing that a client sent before it was
//    authenticated is in force on the server (CVE-2025-12819). The built-in query runs with
//    search_path = pg_catalog, one of the administrator's with that of auth_user's role.
// 2. Lookups of the same user at the same time are one query. An answer is used again for
//    auth_query_cache_time, and forgotten when a login with it fails.
// 3. A lookup belongs to the worker, not to a session: sessions wait for it and may go away.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "pool/pool.hpp"
#include "wire/secret.hpp"

namespace howdah::proxy {

class Worker;

struct AuthRequest {
    std::string database;   // entry of [databases] to ask
    std::string auth_user;  // asks
    std::string query;
    std::string user;  // asked for
    auto operator<=>(const AuthRequest&) const = default;
};

struct AuthAnswer {
    bool found = false;
    // None: the server has no password for the user, or it is no longer valid.
    std::optional<wire::Secret> password;
};

struct AuthLookup {
    bool done = false;
    // Error: what the client is to be told; details are in the log.
    Result<AuthAnswer> answer = AuthAnswer();
    std::vector<net::Event*> waiters;
    net::TimePoint finished_at{};
};

class AuthLookups {
  public:
    explicit AuthLookups(Worker& worker) : worker_(worker) {}

    std::shared_ptr<AuthLookup> find(const AuthRequest& request);
    // The answer was not right any more: the next one asks again, on whatever loop.
    void forget_everywhere(const AuthRequest& request);
    // Drops what is too old; several times a second.
    void sweep();
    // Wakes what waits, so that it can see that the worker stops.
    void stop();

  private:
    net::Task<void> run(std::shared_ptr<AuthLookup> lookup, AuthRequest request);
    net::Task<Result<AuthAnswer>> ask(AuthRequest request, net::Event& event);
    net::Task<Result<AuthAnswer>> query(pool::Pooled& server, AuthRequest request,
                                        net::Event& event, net::Deadline& deadline);

    Worker& worker_;
    std::map<AuthRequest, std::shared_ptr<AuthLookup>> recent_;  // under way, or kept
    std::vector<net::Event*> running_;
};

}  // namespace howdah::proxy
