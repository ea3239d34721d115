// mixed-case-name: see the texts below, and mixed-case-name.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    for_each_new_name(a, [&](const std::string& name) {
        if (needs_quotes_for_case(name)) {
            sink.at(a, fmt::format("\"{}\" must be quoted wherever it is used", name));
        }
    });
}

}  // namespace

const Rule rule_mixed_case_name{
    .name = "mixed-case-name",
    .title = "A name that needs quotes for ever.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why =
        "Capitals and blanks make every later use need double quotes, in psql, in SQL "
        "files and in half of all tools.",
    .fix = "lower_case_with_underscores.",
    .flagged = "CREATE TABLE \"OrderLines\" (\"OrderId\" bigint);",
    .clean = "CREATE TABLE order_lines (order_id bigint);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
