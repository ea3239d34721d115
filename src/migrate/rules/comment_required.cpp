// comment-required: see the texts below, and comment-required.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const Action& a : file.actions) {
        const bool made = a.kind == ActionKind::kCreateTable && !a.has(kTemporary);
        const bool said = std::ranges::any_of(file.actions, [&](const Action& other) {
            return other.kind == ActionKind::kComment && other.table == a.table;
        });
        if (made && !said) {
            sink.at(a, fmt::format("{} has no COMMENT ON TABLE", a.table));
        }
    }
}

}  // namespace

const Rule rule_comment_required{
    .name = "comment-required",
    .title = "A new table has no comment.",
    .severity = Severity::kInfo,
    .risk = Risk::kLow,
    .why = "What it is for is known today.",
    .fix = "COMMENT ON TABLE.",
    .flagged = "CREATE TABLE t (a int);",
    .clean = "COMMENT ON TABLE t IS 'what it is for';",
    .on = false,
    .file = check,
};

}  // namespace howdah::migrate::lint
