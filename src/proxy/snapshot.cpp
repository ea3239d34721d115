#include "proxy/snapshot.hpp"

#include "proxy/worker.hpp"

namespace howdah::proxy {

WorkerSnapshot take_snapshot(Worker& worker) {
    worker.settle_bytes();
    WorkerSnapshot snapshot;
    snapshot.index = worker.index();
    snapshot.statements = worker.statements().counters();
    snapshot.sessions = worker.sessions().size();
    snapshot.prepared = worker.prepared().size();
    snapshot.fingerprints = worker.fingerprints().all().size();
    snapshot.sessions_total = worker.sessions_total;
    snapshot.protocol_errors = worker.protocol_errors;
    snapshot.events_recorded = worker.recorder().recorded();
    snapshot.events_dropped = worker.events().dropped();
    snapshot.taps = worker.tap().tapped();
    snapshot.taps_dropped = worker.tap().ring().dropped() + worker.tap().unseen();
    for (const auto& [id, session] : worker.sessions()) {
        if (session->logged_in()) {
            snapshot.users.insert(session->user());
        }
    }
    const net::TimePoint now = worker.loop().now();
    for (const auto& [key, entry] : worker.pools()) {
        snapshot.users.insert(entry->user());
        const pool::Pool& servers = entry->pool();
        PoolSnapshot pool;
        pool.database = entry->database();
        pool.user = entry->user();
        pool.mode = entry->mode();
        pool.stats = entry->stats;
        pool.servers = servers.counts();
        pool.clients = entry->clients;
        pool.size = servers.options().size;
        pool.reserve_size = servers.options().reserve_size;
        pool.servers_max = servers.connections_max();
        if (pool.servers.waiting > 0) {
            pool.wait_us_max = std::max<std::int64_t>(0, (now - servers.oldest_wait()).count());
        }
        pool.paused = servers.paused();
        pool.disabled = worker.shared().control().disabled(entry->database());
        pool.failing = servers.last_failure().has_value();
        snapshot.pools.push_back(std::move(pool));
    }
    return snapshot;
}

std::set<std::string> known_databases(const config::Config& config, std::set<std::string> in_use) {
    // One that was removed may have clients that have not left yet.
    std::erase_if(in_use, [&](const std::string& name) { return config.entry(name) == nullptr; });
    for (const auto& [name, database] : config.databases) {
        in_use.insert(name);
    }
    in_use.insert(console_name(config));
    return in_use;
}

std::set<std::string> known_users(const config::Config& config, std::set<std::string> in_use) {
    for (const auto& [name, settings] : config.users) {
        in_use.insert(name);
    }
    if (config.userlist != nullptr) {
        for (const auto& [name, password] : config.userlist->all()) {
            in_use.insert(name);
        }
    }
    in_use.insert(console_name(config));
    return in_use;
}

StatementsSnapshot take_statements(Worker& worker) {
    StatementsSnapshot snapshot;
    const auto& all = worker.fingerprints().all();
    snapshot.entries.reserve(all.size());
    for (const auto& [fingerprint, entry] : all) {
        snapshot.entries.push_back(entry);
    }
    snapshot.other = worker.fingerprints().other();
    return snapshot;
}

std::vector<TransactionSnapshot> take_transactions(Worker& worker) {
    std::vector<TransactionSnapshot> open;
    const net::TimePoint now = worker.loop().now();
    for (const auto& [id, session] : worker.sessions()) {
        if (!session->in_transaction() || session->pool() == nullptr) {
            continue;
        }
        const net::Address& address = session->client().peer().address;
        TransactionSnapshot one;
        one.database = session->pool()->database();
        one.user = session->user();
        one.application = session->application_name();
        one.client = address.is_unix() ? "unix" : address.host();
        one.open_us = (now - session->transaction_started()).count();
        const auto quiet = session->quiet_since();
        one.idle_us = quiet ? (now - *quiet).count() : 0;
        open.push_back(std::move(one));
    }
    return open;
}

KnownStatements find_statements(Worker& worker, std::span<const std::uint64_t> keys) {
    KnownStatements known;
    const auto& all = worker.fingerprints().all();
    for (const std::uint64_t key : keys) {
        const auto found = all.find(key);
        if (found != all.end()) {
            known.emplace_back(key, found->second.statement);
        }
    }
    return known;
}

KnownTags find_tags(Worker& worker, std::span<const std::uint64_t> ids) {
    KnownTags known;
    for (const std::uint64_t id : ids) {
        if (const std::vector<sql::Tag>* tags = worker.tags().find(id)) {
            known.emplace_back(id, *tags);
        }
    }
    return known;
}

}  // namespace howdah::proxy
