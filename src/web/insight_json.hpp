// Live insight as JSON: /api/findings, and what it adds to /api/queries. Pure but for the engine's
// lock. Shapes: docs/schemas/howdah.{live-findings,queries}-1.json.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "insight/live/engine.hpp"

namespace howdah::web {

// The page of /api/findings that was asked for; what is not empty must fit.
struct FindingPage {
    static constexpr std::size_t kLimitMax = 500;
    std::size_t limit = 50;
    std::size_t offset = 0;
    std::string search;  // part of the message, any case
    std::string rule, severity, confidence, fingerprint;
    insight::live::CallerFilter callers;
};
// From the part of the target behind '?'. Errors: kInvalidInput, with the parameter's name.
[[nodiscard]] Result<FindingPage> parse_finding_page(std::string_view query);
[[nodiscard]] std::string findings_json(std::span<const insight::live::LiveFinding> findings,
                                        const FindingPage& page);

// Times by percentile, callers, errors: what statistics know of one statement.
void add_details(boost::json::object& row, const insight::live::Engine& engine, std::uint64_t key);

// --- For both pages ---
// The decoded name=value pairs of a query string.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parse_parameters(
    std::string_view query);
[[nodiscard]] Result<std::size_t> parse_number(std::string_view name, std::string_view text);
[[nodiscard]] std::string* caller_parameter(insight::live::CallerFilter& callers,
                                            std::string_view key);
[[nodiscard]] bool contains_word(std::string_view text, std::string_view word);

}  // namespace howdah::web
