#include "proxy/dns_cache.hpp"

#include <algorithm>

namespace howdah::proxy {

std::optional<Result<DnsCache::Addresses>> DnsCache::find(std::string_view name, net::TimePoint now,
                                                          DnsTimes times) const {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.expired) {
        return std::nullopt;
    }
    const Entry& entry = found->second;
    if (now - entry.asked_at >= (entry.error ? times.failure_ttl : times.ttl)) {
        return std::nullopt;
    }
    if (entry.addresses.empty()) {
        return fail(*entry.error);
    }
    return entry.addresses;
}

Result<DnsCache::Addresses> DnsCache::put(const std::string& name, Result<Addresses> answer,
                                          net::TimePoint now) {
    if (entries_.size() >= kNamesMax && !entries_.contains(name)) {
        const auto oldest = std::min_element(
            entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a.second.asked_at < b.second.asked_at; });
        entries_.erase(oldest);
    }
    Entry& entry = entries_[name];
    entry.asked_at = now;
    entry.expired = false;
    if (answer) {
        entry.addresses = std::move(*answer);
        entry.error.reset();
        return entry.addresses;
    }
    entry.error = std::move(answer).error();
    if (entry.addresses.empty()) {
        return fail(*entry.error);
    }
    return entry.addresses;
}

void DnsCache::expire(std::string_view name) {
    const auto found = entries_.find(name);
    if (found != entries_.end()) {
        found->second.expired = true;
    }
}

}  // namespace howdah::proxy
