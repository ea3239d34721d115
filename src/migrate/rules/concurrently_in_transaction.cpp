// concurrently-in-transaction: see the texts below, and concurrently-in-transaction.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const Step& step, Sink& sink) {
    const Action& a = step.action;
    if (a.own_transaction_only && (step.in_transaction || a.nested)) {
        const bool mixed = step.setting.tool == Tool::kFlyway && step.tool_transaction && !a.nested;
        sink.at(a, a.nested ? std::string("PostgreSQL refuses this inside a function or DO block")
                   : mixed  ? std::string("Flyway refuses a file that holds this beside statements "
                                           "that it runs in a transaction (unless mixed is set)")
                            : fmt::format("PostgreSQL refuses this in a transaction, and {}",
                                         step.implicit_transaction
                                              ? fmt::format("{} sends the file as one query",
                                                            tool_name(step.setting.tool))
                                              : "one is open here"));
    }
}

}  // namespace

const Rule rule_concurrently_in_transaction{
    .name = "concurrently-in-transaction",
    .title = "The statement cannot run in a transaction block, and the tool opens one.",
    .severity = Severity::kError,
    .risk = Risk::kHigh,
    .why =
        "CONCURRENTLY forms, VACUUM, CREATE and DROP DATABASE and the like fail at run "
        "time inside a transaction, also in the implicit one of several statements sent "
        "as one query. REFRESH MATERIALIZED VIEW CONCURRENTLY is fine.",
    .fix =
        "Put the statement into a migration of its own, and tell the tool to run it "
        "without a transaction.",
    .flagged = "BEGIN; CREATE INDEX CONCURRENTLY i ON orders (a); COMMIT;",
    .clean = "CREATE INDEX CONCURRENTLY i ON orders (a);",
    .on = true,
    .step = check,
};

}  // namespace howdah::migrate::lint
