// reserved-word-name: see the texts below, and reserved-word-name.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    for_each_new_name(a, [&](const std::string& name) {
        if (is_reserved_word(name)) {
            sink.at(a, fmt::format("\"{}\" must be quoted wherever it is used", name));
        }
    });
}

}  // namespace

const Rule rule_reserved_word_name{
    .name = "reserved-word-name",
    .title = "A name that is a reserved word.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why = "Every later use must be quoted, or is a syntax error.",
    .fix = "Another name (users instead of user).",
    .flagged = "CREATE TABLE \"user\" (id bigint);",
    .clean = "CREATE TABLE users (id bigint);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
