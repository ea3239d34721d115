// The same pool or statement on several loops, as one.

#include <algorithm>
#include <map>
#include <unordered_map>

#include "monitor/catalogue.hpp"
#include "monitor/collect.hpp"

namespace howdah::monitor {
namespace {

void add(proxy::PoolSnapshot& sum, const proxy::PoolSnapshot& part) {
    sum.stats.add(part.stats);
    sum.servers.connecting += part.servers.connecting;
    sum.servers.idle += part.servers.idle;
    sum.servers.leased += part.servers.leased;
    sum.servers.checking += part.servers.checking;
    sum.servers.resetting += part.servers.resetting;
    sum.servers.waiting += part.servers.waiting;
    sum.clients += part.clients;
    sum.wait_us_max = std::max(sum.wait_us_max, part.wait_us_max);
    sum.paused = sum.paused || part.paused;
    sum.disabled = sum.disabled || part.disabled;
    sum.failing = sum.failing || part.failing;
}

}  // namespace

void add(proxy::FingerprintEntry& sum, const proxy::FingerprintEntry& part) {
    sum.calls += part.calls;
    sum.errors += part.errors;
    sum.rows += part.rows;
    sum.bytes_in += part.bytes_in;
    sum.bytes_out += part.bytes_out;
    sum.queue_us += part.queue_us;
    sum.server_us += part.server_us;
    sum.network_us += part.network_us;
    sum.cache_us += part.cache_us;
    sum.server_us_max = std::max(sum.server_us_max, part.server_us_max);
}

std::vector<proxy::PoolSnapshot> merged_pools(const std::vector<proxy::WorkerSnapshot>& loops) {
    std::map<std::pair<std::string, std::string>, proxy::PoolSnapshot> by_key;
    for (const proxy::WorkerSnapshot& loop : loops) {
        for (const proxy::PoolSnapshot& pool : loop.pools) {
            std::pair key(pool.database, pool.user);
            if (by_key.size() + 1 >= Limits::kPoolsMax && !by_key.contains(key)) {
                key = {std::string(kOther), std::string(kOther)};
            }
            auto [found, made] = by_key.try_emplace(key);
            proxy::PoolSnapshot& sum = found->second;
            if (made) {
                sum.database = key.first;
                sum.user = key.second;
                sum.mode = pool.mode;
                sum.size = pool.size;
                sum.reserve_size = pool.reserve_size;
                sum.servers_max = pool.servers_max;
            }
            add(sum, pool);
        }
    }
    std::vector<proxy::PoolSnapshot> pools;
    pools.reserve(by_key.size());
    for (auto& [key, pool] : by_key) {
        pools.push_back(std::move(pool));
    }
    return pools;
}

std::vector<proxy::FingerprintEntry> merged_statements(std::vector<proxy::StatementsSnapshot> loops,
                                                       proxy::FingerprintEntry& other) {
    std::vector<proxy::FingerprintEntry> merged;
    std::unordered_map<std::uint64_t, std::size_t> places;
    for (proxy::StatementsSnapshot& loop : loops) {
        add(other, loop.other);
        for (proxy::FingerprintEntry& entry : loop.entries) {
            const auto [place, made] = places.try_emplace(entry.statement->key(), merged.size());
            if (made) {
                merged.push_back(std::move(entry));
            } else {
                add(merged[place->second], entry);
            }
        }
    }
    return merged;
}

}  // namespace howdah::monitor
