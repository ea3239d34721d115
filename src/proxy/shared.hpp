// Shared: what the workers of all loops have in common: read-mostly, or behind its own lock, never
// on the query path.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/examiner.hpp"
#include "config/config.hpp"
#include "pool/pool.hpp"
#include "proxy/client_counts.hpp"
#include "proxy/control.hpp"
#include "proxy/handover.hpp"
#include "proxy/hidden_code.hpp"
#include "proxy/name_table.hpp"
#include "proxy/resolver.hpp"
#include "proxy/tls_contexts.hpp"
#include "wire/password.hpp"

namespace howdah::proxy {

class Worker;

void fill_random(std::string& bytes);

class Shared {
  public:
    explicit Shared(config::ConfigPtr config);
    config::ConfigPtr config() const;
    void publish(config::ConfigPtr config);
    std::atomic<int> clients{0};  // logged in or logging in, over all loops
    ClientCounts client_counts;   // by database and by user
    // Random, as long as the process lives: unknown users look like known ones, on every loop.
    const wire::Secret secret;
    // Clients whose descriptor is not below this are refused: servers need some too.
    int client_descriptors_max = 0;
    Resolver resolver;
    auth::Examiner examiner;
    std::atomic<std::uint64_t> next_session{1};
    // The latest password that an auth_query found: a SCRAM secret, or what md5 can be asked for.
    std::atomic<bool> lookups_find_scram{true};
    std::atomic<std::uint64_t> next_transaction{1};
    std::vector<Worker*> workers;  // set before the loops run
    // What the numbers in QueryEvents stand for.
    NameTable names{16'384};  // databases and users
    NameTable applications{4096};
    NameTable addresses{4096};  // of clients, without ports
    const std::uint64_t salt;   // of hashes in QueryEvents
    HandoverQueue& handover() { return handover_; }
    Control& control() { return control_; }
    const Control& control() const { return control_; }

    // What pools and limits have in common over all loops; made on first use, never taken away.
    std::shared_ptr<pool::Commons> commons(const std::string& database, const std::string& user);
    pool::Quota& database_quota(const std::string& database);
    pool::Quota& user_quota(const std::string& user);
    HiddenCode& hidden_code(const std::string& database);
    // How many there are of these.
    std::size_t databases_asked() const;

    // Never null; replaced whole on reload.
    std::shared_ptr<const TlsContexts> tls() const;
    void publish_tls(std::shared_ptr<const TlsContexts> tls);

  private:
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, std::string>, std::shared_ptr<pool::Commons>> commons_;
    std::map<std::string, std::unique_ptr<pool::Quota>> database_quotas_;
    std::map<std::string, std::unique_ptr<pool::Quota>> user_quotas_;
    std::map<std::string, HiddenCode> hidden_code_;
    config::ConfigPtr config_;
    Control control_;
    HandoverQueue handover_;
    std::shared_ptr<const TlsContexts> tls_ = std::make_shared<const TlsContexts>();
};

}  // namespace howdah::proxy
