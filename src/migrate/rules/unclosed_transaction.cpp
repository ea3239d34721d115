// unclosed-transaction: see the texts below, and unclosed-transaction.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    if (!file.open_transaction) {
        return;
    }
    for (std::size_t i = file.actions.size(); i > 0; --i) {
        if (file.actions[i - 1].kind == ActionKind::kBegin) {
            sink.at(file.actions[i - 1], "this transaction is never committed");
            return;
        }
    }
}

}  // namespace

const Rule rule_unclosed_transaction{
    .name = "unclosed-transaction",
    .title = "A transaction is opened and never closed.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "Locks stay until the connection goes, or everything is rolled back at the file's "
        "end.",
    .fix = "COMMIT.",
    .flagged = "BEGIN; ALTER TABLE t ADD COLUMN a int;",
    .clean = "BEGIN; ALTER TABLE t ADD COLUMN a int; COMMIT;",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
