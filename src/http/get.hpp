// get: one GET over HTTP or HTTPS, libcurl made safe.
//
// Blocking, with a deadline on the whole of it; any thread. Follows no redirect, speaks no other
// protocol, sends no cookie. A proxy that the environment names is not asked for this machine's own
// addresses. libcurl is loaded at the first call (ADR 0021). For the control plane
// and for commands; howdah's own HTTP server is module `web`.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace howdah::http {

struct Call {
    std::string url;
    std::string token = {};  // sent as Authorization: Bearer; "" = none
    std::int64_t timeout_ms = 10'000;
    std::size_t body_bytes_max = 1UL << 20;
};

struct Answer {
    long status = 0;
    std::string body = {};  // as much as fits
    bool cut = false;       // there was more of it
};

// Error: kUnavailable, with libcurl's reason and without the URL; kInvalidInput for what is none.
Result<Answer> get(const Call& call);

}  // namespace howdah::http
