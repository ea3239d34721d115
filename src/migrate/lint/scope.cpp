// The transactions in which each tool runs a file.
#include <algorithm>

#include "migrate/lint/lint.hpp"

namespace howdah::migrate::lint {
namespace {

bool contains_drop_index_concurrently(const Script& script) {
    return std::ranges::any_of(script.statements, [](const sql::ScriptStatement& statement) {
        const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
        return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_DROP_STMT &&
               node->drop_stmt->concurrent != 0;
    });
}

}  // namespace

Scope scope_of(const Project& project, const LintConfig& config, const Script& script) {
    if (script.no_transaction) {
        return Scope::kStatement;
    }
    if (config.scope != Scope::kAuto) {
        return config.scope;
    }
    switch (project.tool) {
        case Tool::kPlain:
        case Tool::kSqitch:
            return Scope::kStatement;
        case Tool::kDrizzle:
        case Tool::kDrizzle1:
            return Scope::kAllPending;
        case Tool::kPrisma: {
            const bool one_by_one =
                project.tool_major > 7 || (project.tool_major == 7 && project.tool_minor >= 4);
            // Its splitter cannot read DROP INDEX CONCURRENTLY; the whole file then goes as one.
            return one_by_one && !contains_drop_index_concurrently(script) ? Scope::kStatement
                                                                           : Scope::kOneQuery;
        }
        case Tool::kGolangMigrate:
            return Scope::kOneQuery;
        case Tool::kFlyway: {
            // Flyway runs a file without a transaction when it finds a statement that needs it.
            const bool alone =
                std::ranges::any_of(script.statements, [](const sql::ScriptStatement& statement) {
                    const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
                    return node != nullptr &&
                           ((node->node_case == PG_QUERY__NODE__NODE_INDEX_STMT &&
                             node->index_stmt->concurrent != 0) ||
                            (node->node_case == PG_QUERY__NODE__NODE_DROP_STMT &&
                             node->drop_stmt->concurrent != 0) ||
                            node->node_case == PG_QUERY__NODE__NODE_VACUUM_STMT);
                });
            return alone ? Scope::kStatement : Scope::kFile;
        }
        default:
            return Scope::kFile;
    }
}

Scope scope_of_file(const LintInput& input, const MigrationFile& file, const Script& script) {
    const bool own = file.scope != Scope::kAuto && input.config.scope == Scope::kAuto;
    const Scope scope = own ? file.scope : scope_of(input.project, input.config, script);
    return scope == Scope::kRunner && script.no_transaction ? Scope::kStatement : scope;
}

}  // namespace howdah::migrate::lint
