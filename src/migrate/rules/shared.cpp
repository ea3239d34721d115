#include <algorithm>
#include <array>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr const Rule* kRules[] = {
#define RULE(name) &name,
#include "migrate/rules/engine.inc"
#include "migrate/rules/list.inc"
#undef RULE
};

// PostgreSQL 15's reserved key words (appendix C), and those reserved but usable as functions.
constexpr std::array<std::string_view, 77> kReserved{"all",          "analyse",
                                                     "analyze",      "and",
                                                     "any",          "array",
                                                     "as",           "asc",
                                                     "asymmetric",   "both",
                                                     "case",         "cast",
                                                     "check",        "collate",
                                                     "column",       "constraint",
                                                     "create",       "current_catalog",
                                                     "current_date", "current_role",
                                                     "current_time", "current_timestamp",
                                                     "current_user", "default",
                                                     "deferrable",   "desc",
                                                     "distinct",     "do",
                                                     "else",         "end",
                                                     "except",       "false",
                                                     "fetch",        "for",
                                                     "foreign",      "from",
                                                     "grant",        "group",
                                                     "having",       "in",
                                                     "initially",    "intersect",
                                                     "into",         "lateral",
                                                     "leading",      "limit",
                                                     "localtime",    "localtimestamp",
                                                     "not",          "null",
                                                     "offset",       "on",
                                                     "only",         "or",
                                                     "order",        "placing",
                                                     "primary",      "references",
                                                     "returning",    "select",
                                                     "session_user", "some",
                                                     "symmetric",    "table",
                                                     "then",         "to",
                                                     "trailing",     "true",
                                                     "union",        "unique",
                                                     "user",         "using",
                                                     "variadic",     "when",
                                                     "where",        "window",
                                                     "with"};

}  // namespace

std::span<const Rule* const> all_rules() {
    return kRules;
}

const Rule* find_rule(std::string_view name) {
    const auto rules = all_rules();
    const auto found = std::ranges::find(rules, name, [](const Rule* rule) { return rule->name; });
    return found == rules.end() ? nullptr : *found;
}

void Sink::at(const Action& action, std::string message, std::string fix) {
    add({.begin = action.begin,
         .end = action.end,
         .message = std::move(message),
         .fix = std::move(fix),
         .action = &action});
}

bool FileView::named_in(const Action& action, std::string_view constraint) const {
    if (action.node == nullptr || action.node->node_case != PG_QUERY__NODE__NODE_CREATE_STMT) {
        return false;
    }
    const PgQuery__CreateStmt& statement = *action.node->create_stmt;
    const auto matches = [&](const PgQuery__Constraint& part, const std::string& column) {
        return part.contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN &&
               constraint_of(schema, part, action.table, column).name == constraint;
    };
    for (std::size_t i = 0; i < statement.n_table_elts; ++i) {
        const sql::Node& element = *statement.table_elts[i];
        if (element.node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
            matches(*element.constraint, "")) {
            return true;
        }
        if (element.node_case != PG_QUERY__NODE__NODE_COLUMN_DEF) {
            continue;
        }
        for (std::size_t n = 0; n < element.column_def->n_constraints; ++n) {
            if (matches(*element.column_def->constraints[n]->constraint,
                        text_or(element.column_def->colname))) {
                return true;
            }
        }
    }
    return false;
}

void for_each_new_column(
    const Action& action,
    const std::function<void(const PgQuery__ColumnDef&, std::size_t begin)>& see) {
    if (action.has(kTemporary)) {
        return;
    }
    if (action.kind == ActionKind::kAddColumn && action.column_def != nullptr) {
        see(*action.column_def, action.begin);
    } else if (action.kind == ActionKind::kCreateTable && action.node != nullptr &&
               action.node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT) {
        const PgQuery__CreateStmt& statement = *action.node->create_stmt;
        for (std::size_t i = 0; i < statement.n_table_elts; ++i) {
            const sql::Node& element = *statement.table_elts[i];
            if (element.node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
                const auto offset = static_cast<std::size_t>(element.column_def->location);
                see(*element.column_def, action.nested ? action.begin : action.begin + offset);
            }
        }
    }
}

void report_column(Sink& sink, const Action& action, const PgQuery__ColumnDef& column,
                   std::size_t begin) {
    const std::string name = text_or(column.colname);
    const std::size_t length = action.nested ? 1 : name.size();
    sink.add({.begin = begin,
              .end = begin + length,
              .message = fmt::format("{}.{} is {}", action.table, name,
                                     to_sql(type_of(column.type_name)))});
}

void for_each_new_name(const Action& action, const std::function<void(const std::string&)>& see) {
    switch (action.kind) {
        case ActionKind::kCreateTable:
            see(last_part(action.table));
            for_each_new_column(action, [&](const PgQuery__ColumnDef& column, std::size_t) {
                see(text_or(column.colname));
            });
            break;
        case ActionKind::kAddColumn:
        case ActionKind::kCreateType:
            see(last_part(action.name));
            break;
        case ActionKind::kCreateIndex:
            if (action.node != nullptr &&
                action.node->node_case == PG_QUERY__NODE__NODE_INDEX_STMT) {
                see(text_or(action.node->index_stmt->idxname));
            }
            break;
        case ActionKind::kRenameTable:
        case ActionKind::kRenameColumn:
            see(last_part(action.other));
            break;
        default:
            break;
    }
}

bool needs_quotes_for_case(std::string_view name) {
    return !std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
               static_cast<unsigned char>(c) >= 0x80;
    });
}

bool is_reserved_word(std::string_view name) {
    return std::ranges::find(kReserved, name) != kReserved.end();
}

std::string sql_name(std::string_view name) {
    std::string result;
    while (true) {
        const std::size_t dot = name.find('.');
        const std::string_view part = name.substr(0, dot);
        const bool plain = !part.empty() && !needs_quotes_for_case(part) &&
                           !is_reserved_word(part) && !(part[0] >= '0' && part[0] <= '9');
        result += plain ? std::string(part) : "\"" + std::string(part) + "\"";
        if (dot == std::string_view::npos) {
            return result;
        }
        result += '.';
        name.remove_prefix(dot + 1);
    }
}

std::string sql_names(const std::vector<std::string>& names) {
    std::string result;
    for (const std::string& name : names) {
        result += (result.empty() ? "" : ", ") + sql_name(name);
    }
    return result;
}

std::string describe_tables(const Action& action) {
    std::vector<std::string> named;
    for (const TableEffect& effect : action.effects) {
        if (blocks_writes(effect.lock) || effect.works()) {
            named.push_back(effect.table);
        }
    }
    if (named.empty()) {
        return action.table;
    }
    if (named.size() > 3) {
        return fmt::format("{} and {} more tables", named.front(), named.size() - 1);
    }
    return fmt::format("{}", fmt::join(named, ", "));
}

namespace {

// Seconds for 1 GB, from fast to slow disks: measured orders of magnitude, not promises.
std::string_view duration_of(const TableEffect& effect) {
    if (effect.rewrite) {
        return "about 5 to 40 s for each GB of table and indexes";
    }
    if (effect.build) {
        return "about 3 to 20 s for each GB of table";
    }
    return effect.scan ? "about 0.5 to 5 s for each GB of table"
                       : "milliseconds once it has the lock";
}

}  // namespace

std::string describe_impact(const Action& action) {
    const TableEffect* worst = nullptr;
    for (const TableEffect& effect : action.effects) {
        if (effect.fresh) {
            continue;
        }
        const auto weight = [](const TableEffect& each) {
            return (each.rewrite ? 400
                    : each.build ? 300
                    : each.scan  ? 200
                                 : 0) +
                   static_cast<int>(each.lock);
        };
        worst = worst == nullptr || weight(effect) > weight(*worst) ? &effect : worst;
    }
    if (worst == nullptr || worst->lock < Lock::kShareUpdateExclusive) {
        return {};
    }
    const std::string_view work = worst->rewrite ? "writes the table and its indexes anew"
                                  : worst->build ? "builds an index"
                                  : worst->scan  ? "reads all rows"
                                                 : "changes the catalog only";
    return fmt::format("{} on {} ({}); {}; {}", lock_name(worst->lock), describe_tables(action),
                       lock_blocks(worst->lock), work, duration_of(*worst));
}

DeployOrder deploy_order(const Action& action) {
    if (action.fresh && action.kind != ActionKind::kCreateTable) {
        return DeployOrder::kAny;
    }
    switch (action.kind) {
        case ActionKind::kCreateTable:
            return action.has(kTemporary) ? DeployOrder::kAny : DeployOrder::kBefore;
        case ActionKind::kAddColumn: {
            const bool breaks =
                action.has(kNotNull) && !action.any(kHasDefault | kSerial | kIdentity | kGenerated);
            return breaks ? DeployOrder::kTwoDeploys : DeployOrder::kBefore;
        }
        case ActionKind::kCreateView:
        case ActionKind::kAddEnumValue:
        case ActionKind::kDropNotNull:
        case ActionKind::kCreateSchema:
            return DeployOrder::kBefore;
        case ActionKind::kDropTable:
        case ActionKind::kDropColumn:
        case ActionKind::kDropView:
        case ActionKind::kDropSchema:
        case ActionKind::kDropDatabase:
        case ActionKind::kSetNotNull:
        case ActionKind::kTruncate:
            return DeployOrder::kAfter;
        case ActionKind::kRenameTable:
        case ActionKind::kRenameColumn:
        case ActionKind::kRenameSchema:
        case ActionKind::kRenameEnumValue:
        case ActionKind::kSetSchema:
            return DeployOrder::kTwoDeploys;
        case ActionKind::kAddConstraint:
            // The old code does not write columns that are new.
            return action.constraint == ConstraintKind::kPrimary || action.has(kNewColumns)
                       ? DeployOrder::kAny
                       : DeployOrder::kAfter;
        case ActionKind::kCreateIndex:
            return action.has(kInlineUnique) && !action.has(kNewColumns) ? DeployOrder::kAfter
                                                                         : DeployOrder::kAny;
        case ActionKind::kAlterType:
            // Drivers give another type's values as another type (int8 as a string, say).
            return action.change == TypeChange::kNothing ||
                           action.change == TypeChange::kMetadata ||
                           action.change == TypeChange::kIndexRebuild
                       ? DeployOrder::kAny
                       : DeployOrder::kTwoDeploys;
        default:
            return DeployOrder::kAny;
    }
}

std::string_view deploy_order_name(DeployOrder order) {
    switch (order) {
        case DeployOrder::kAny:
            return "any time";
        case DeployOrder::kBefore:
            return "before the new code";
        case DeployOrder::kAfter:
            return "after the new code";
        case DeployOrder::kTwoDeploys:
            return "needs two deploys";
    }
    return "any time";
}

}  // namespace howdah::migrate::lint
