// drop-and-create-table: see the texts below, and drop-and-create-table.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (std::size_t i = 0; i < file.actions.size(); ++i) {
        const Action& drop = file.actions[i];
        if (drop.kind != ActionKind::kDropTable || drop.fresh) {
            continue;
        }
        const bool again =
            std::ranges::any_of(file.actions.subspan(i + 1), [&](const Action& other) {
                return other.kind == ActionKind::kCreateTable && other.table == drop.table;
            });
        if (again) {
            sink.at(drop, fmt::format("{} is made again below, without its rows", drop.table));
        }
    }
}

}  // namespace

const Rule rule_drop_and_create_table{
    .name = "drop-and-create-table",
    .title = "A table is dropped and made again: its rows are gone.",
    .severity = Severity::kWarning,
    .risk = Risk::kHigh,
    .why =
        "DROP TABLE IF EXISTS before CREATE TABLE is fine on an empty database and fatal "
        "on a full one.",
    .fix = "ALTER TABLE what differs, or CREATE TABLE IF NOT EXISTS.",
    .flagged = "DROP TABLE IF EXISTS users; CREATE TABLE users (id bigint PRIMARY KEY);",
    .clean = "CREATE TABLE IF NOT EXISTS users (id bigint PRIMARY KEY);",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
