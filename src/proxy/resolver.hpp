// Resolver: host names to addresses, away from the loops. A few threads ask the system's resolver
// (getaddrinfo: /etc/hosts, DNS), so that a name whose server is silent does not hold up the
// others; loops wait, each at most until its own deadline.
//
// 1. Any loop may ask. Several that ask for a name at the same time are one lookup.
// 2. A coroutine that stopped waiting is never called.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/loop.hpp"
#include "proxy/dns_cache.hpp"

namespace howdah::proxy {

class Resolver {
  public:
    using Lookup = std::function<Result<DnsCache::Addresses>(const std::string& name)>;

    static constexpr int kThreadsMax = 4;

    // `lookup` runs on the resolver's threads; the default asks the system.
    explicit Resolver(Lookup lookup = {});
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    struct Question {
        std::string name;
        DnsTimes times;
        net::TimePoint deadline = net::TimePoint::max();
    };
    // The addresses of a host, all of them, without ports. Suspends. Errors: kUnavailable,
    // kTimeout.
    net::Task<Result<DnsCache::Addresses>> resolve(net::Loop& loop, Question question);
    void expire(const std::string& name);

  private:
    struct Waiting;
    struct State;
    static void run(std::shared_ptr<State> state);

    // Each thread has a share: one that hangs in the system's resolver at the end is left behind.
    std::shared_ptr<State> state_;
};

}  // namespace howdah::proxy
