// Probe: what a question about session state has found so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace howdah::proxy {

struct Probe {
    std::vector<std::pair<std::string, std::string>> parameters;
    std::uint32_t pins = 0;
    std::optional<std::size_t> names;  // how many statements have names of ours
};

}  // namespace howdah::proxy
