// drop-table: see the texts below, and drop-table.cases.
#include <fmt/format.h>

#include <algorithm>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

// What is made again is drop-and-create-table's.
void check(const FileView& file, Sink& sink) {
    for (std::size_t i = 0; i < file.actions.size(); ++i) {
        const Action& a = file.actions[i];
        const bool again =
            std::ranges::any_of(file.actions.subspan(i + 1), [&](const Action& other) {
                return other.kind == ActionKind::kCreateTable && other.table == a.table;
            });
        if (a.kind == ActionKind::kDropTable && !a.fresh && !again) {
            sink.at(a, fmt::format("{} and its rows are gone", a.table));
        }
    }
}

}  // namespace

const Rule rule_drop_table{
    .name = "drop-table",
    .title = "DROP TABLE loses its data and breaks code that still uses it.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "Running queries of the application fail at once, and the rows are gone. Foreign "
        "keys make it lock the referenced tables too.",
    .fix =
        "Stop using the table, deploy, rename it away for a while, drop it in a later "
        "migration.",
    .flagged = "DROP TABLE sessions;",
    .clean =
        "ALTER TABLE sessions RENAME TO sessions_unused; -- after the deploy; drop it "
        "weeks later",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
