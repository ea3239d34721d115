// Recovery: how a server comes to rest whose client went away in the middle (Worker::recover).
#pragma once

#include <cstddef>
#include <optional>

#include "proxy/hidden_code.hpp"

namespace howdah::proxy {

// What is left to do.
struct Recovery {
    std::size_t skip_bytes = 0;  // of a message that was half passed on
    std::size_t answers = 0;     // ReadyForQuery messages still to come
    bool cancel = false;         // something is running
    bool half_said = false;      // its last request has no Sync: it must not be carried through
    std::optional<HiddenCode::Question> question;  // the answer is still to come
};

}  // namespace howdah::proxy
