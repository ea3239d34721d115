// backoff: how long a step waits before it is tried again. Pure but for the random numbers.
#pragma once

#include <algorithm>

#include "base/prng.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

// The bound doubles with each attempt (from 1) up to `most`; the wait is anywhere in its upper
// half, so that several waiters do not come back at once, and none of them at once.
inline pg::Milliseconds backoff(int attempt, pg::Milliseconds first, pg::Milliseconds most,
                                Prng& prng) {
    const auto cap = static_cast<std::uint64_t>(std::max<std::int64_t>(most.count(), 0));
    auto bound =
        std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(first.count(), 0)), cap);
    for (int i = 1; i < attempt && bound > 0 && bound < cap; ++i) {
        bound = std::min(bound * 2, cap);
    }
    return pg::Milliseconds(static_cast<std::int64_t>(prng.between(bound - bound / 2, bound)));
}

}  // namespace howdah::migrate::runner
