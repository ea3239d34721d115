// lock-timeout-too-long: see the texts below, and lock-timeout-too-long.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.kind != ActionKind::kSet || a.name != "lock_timeout" || a.other == kDefaultValue) {
        return;
    }
    const long value = std::strtol(a.other.c_str(), nullptr, 10);
    const std::string_view unit = std::string_view(a.other).substr(
        std::min(a.other.find_first_not_of("0123456789 "), a.other.size()));
    const long ms = unit.starts_with("ms") || unit.empty() ? value
                    : unit.starts_with("s")                ? value * 1000
                    : unit.starts_with("us")               ? value / 1000
                                                           : value * 60000;
    if (ms == 0 || ms > 10000) {
        sink.at(a, ms == 0
                       ? std::string("lock_timeout 0 waits without end")
                       : fmt::format("lock_timeout {} lets every query wait that long", a.other));
    }
}

}  // namespace

const Rule rule_lock_timeout_too_long{
    .name = "lock-timeout-too-long",
    .title = "lock_timeout is off or longer than ten seconds.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "While the statement waits for its lock, every later query on the table waits "
        "too. 0 means without end.",
    .fix = "One to five seconds, with retries.",
    .flagged = "SET lock_timeout = 0;",
    .clean = "SET lock_timeout = '2s';",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
