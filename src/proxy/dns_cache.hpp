// DnsCache: what names resolved to, and until when that holds. Pure; whoever owns it locks it.
//
// 1. An answer holds for dns_max_ttl, a failure for dns_nxdomain_ttl (getaddrinfo tells no TTL).
// 2. An answer that is out of date stays as a last resort for when the resolver fails.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/loop.hpp"

namespace howdah::proxy {

struct DnsTimes {
    net::Duration ttl{};
    net::Duration failure_ttl{};
};

class DnsCache {
  public:
    using Addresses = std::vector<net::Address>;  // port 0

    // What is known of the name: its addresses or the failure; nullopt: it must be asked.
    std::optional<Result<Addresses>> find(std::string_view name, net::TimePoint now,
                                          DnsTimes times) const;
    // Takes an answer; gives what is to be used now: a failed lookup gives the last good answer,
    // where there is one.
    Result<Addresses> put(const std::string& name, Result<Addresses> answer, net::TimePoint now);
    // None of the addresses could be reached: the next one asks again.
    void expire(std::string_view name);
    std::size_t size() const { return entries_.size(); }

    static constexpr std::size_t kNamesMax = 1024;

  private:
    struct Entry {
        Addresses addresses;         // of the last good answer
        std::optional<Error> error;  // of the last lookup, if that failed
        net::TimePoint asked_at{};
        bool expired = false;
    };
    std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace howdah::proxy
