// fix: which migrations of a project may be split.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/interpreter.hpp"
#include "migrate/lint/fix.hpp"

namespace howdah::migrate::lint {

std::vector<Action> read_actions(const Script& script, Schema& schema, std::uint32_t migration) {
    std::vector<Action> actions;
    for (std::size_t n = 0; n < script.statements.size(); ++n) {
        const sql::ScriptStatement& statement = script.statements[n];
        const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
        if (node == nullptr) {
            continue;
        }
        Interpreter(schema, migration)
            .run(
                *node,
                {.text = script.clean, .begin = statement.begin, .end = statement.end, .number = n},
                [&](Action& action) {
                    actions.push_back(action);
                    actions.back().node = action.nested ? nullptr : action.node;
                });
    }
    return actions;
}

Result<FixPlan> plan_fixes(const LintInput& input) {
    FixPlan plan;
    Schema schema;
    for (std::size_t i = 0; i < input.project.files.size(); ++i) {
        const MigrationFile& file = input.project.files[i];
        TRY(std::string text, input.read(file));
        const Script script = read_script(std::move(text), input.project.tool);
        const bool last = i + 1 == input.project.files.size();
        const Schema before = last ? schema : Schema();
        const std::vector<Action> actions =
            read_actions(script, schema, static_cast<std::uint32_t>(i + 2));
        const auto broken = std::ranges::find_if(
            script.statements,
            [](const sql::ScriptStatement& statement) { return !statement.tree; });
        if (file.judged && broken != script.statements.end()) {
            plan.left.push_back(fmt::format("{}: the statement in line {} does not parse",
                                            file.path, script.line_of(broken->begin)));
        }
        if (!file.judged || broken != script.statements.end()) {
            continue;
        }
        std::vector<FixStep> steps = split_steps(
            {.script = script, .actions = actions, .schema = before, .tool = input.project.tool});
        if (steps.empty()) {
            continue;
        }
        if (!last) {
            plan.left.push_back(file.path + ": other migrations follow it");
        } else if (const std::string reason =
                       place_steps(input.project, i, script, std::move(steps), plan);
                   !reason.empty()) {
            plan.left.push_back(fmt::format("{}: {}", file.path, reason));
        }
    }
    return plan;
}

}  // namespace howdah::migrate::lint
