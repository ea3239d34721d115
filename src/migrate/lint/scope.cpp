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

// What Flyway knows to need no transaction (PostgreSQLParser.java).
bool flyway_runs_alone(const sql::ScriptStatement& statement) {
    const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
    if (node == nullptr) {
        return false;
    }
    switch (node->node_case) {
        case PG_QUERY__NODE__NODE_INDEX_STMT:
            return node->index_stmt->concurrent != 0;
        case PG_QUERY__NODE__NODE_DROP_STMT:
            return node->drop_stmt->concurrent != 0;
        case PG_QUERY__NODE__NODE_REINDEX_STMT:
            return node->reindex_stmt->kind ==
                       PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA ||
                   node->reindex_stmt->kind ==
                       PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SYSTEM ||
                   node->reindex_stmt->kind ==
                       PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE;
        case PG_QUERY__NODE__NODE_VACUUM_STMT:
            return node->vacuum_stmt->is_vacuumcmd != 0;
        case PG_QUERY__NODE__NODE_CREATEDB_STMT:
        case PG_QUERY__NODE__NODE_DROPDB_STMT:
        case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
        case PG_QUERY__NODE__NODE_CREATE_SUBSCRIPTION_STMT:
        case PG_QUERY__NODE__NODE_DROP_SUBSCRIPTION_STMT:
        case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
            return true;
        default:
            return false;
    }
}

}  // namespace

Scope scope_of(const Project& project, const LintConfig& config, const Script& script) {
    if (script.no_transaction) {
        // These two begin none, and send the file as one query all the same.
        const bool whole = project.tool == Tool::kDbmate || project.tool == Tool::kGraphile;
        return whole && !script.howdah_alone ? Scope::kOneQuery : Scope::kStatement;
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
        case Tool::kFlyway:
            // A file of both kinds it refuses, unless it is configured with mixed.
            return !script.statements.empty() &&
                           std::ranges::all_of(script.statements, flyway_runs_alone)
                       ? Scope::kStatement
                       : Scope::kFile;
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
