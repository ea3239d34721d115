// SHOW QUERIES and SHOW FINDINGS, out of live insight: for a terminal of 120 columns, and as
// QUERIES_FULL and FINDINGS_FULL with a column for everything. Pure.
#pragma once

#include <string>
#include <string_view>

#include "insight/live/engine.hpp"
#include "proxy/console_table.hpp"

namespace howdah::cli {

// what: "queries", "findings", "queries_full" or "findings_full".
proxy::Table insight_table(const insight::live::Engine& engine, std::string_view what);
proxy::Table empty_table(std::string_view what);

// Lines of at most `width` characters, broken at blanks where there are any.
std::string wrapped(std::string_view text, std::size_t width);

}  // namespace howdah::cli
