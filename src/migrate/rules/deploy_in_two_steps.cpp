// deploy-in-two-steps: see the texts below, and deploy-in-two-steps.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    const Action* after = nullptr;
    bool before = false;
    for (const Action& a : file.actions) {
        const DeployOrder order = deploy_order(a);
        before = before || order == DeployOrder::kBefore;
        after = order == DeployOrder::kAfter && after == nullptr ? &a : after;
    }
    if (before && after != nullptr) {
        sink.at(*after,
                "this must run after the new code is out, other statements of this file before it");
    }
}

}  // namespace

const Rule rule_deploy_in_two_steps{
    .name = "deploy-in-two-steps",
    .title = "The file mixes what must run before the new code with what must run after it.",
    .severity = Severity::kWarning,
    .risk = Risk::kMedium,
    .why =
        "Columns and tables that the new code needs must come first; drops, renames and "
        "new restrictions break the old code, so they must come last. In one file there "
        "is no right moment.",
    .fix =
        "Two migrations and two deploys: expand first, contract after the old code is "
        "gone.",
    .flagged = "ALTER TABLE users ADD COLUMN email text; ALTER TABLE users DROP COLUMN mail;",
    .clean = "ALTER TABLE users ADD COLUMN email text;",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
