// SHOW QUERIES and SHOW FINDINGS, out of live insight. Pure.
#pragma once

#include <string_view>

#include "insight/live/engine.hpp"
#include "proxy/console_table.hpp"

namespace howdah::cli {

// what: "queries" or "findings".
proxy::Table insight_table(const insight::live::Engine& engine, std::string_view what);
proxy::Table empty_table(std::string_view what);

}  // namespace howdah::cli
