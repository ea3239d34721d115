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
    const net::TimePoint now = worker.loop().now();
    for (const auto& [key, entry] : worker.pools()) {
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

}  // namespace howdah::proxy
