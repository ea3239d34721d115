// The inverse of what a migration did, where it can be told from its text alone; and what undoing
// would destroy.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "migrate/runner/plan.hpp"
#include "migrate/runner/search_path.hpp"

namespace howdah::migrate::runner {
namespace {

// SQL that undoes one change; "" where there is nothing to undo, nullopt where nobody can tell.
// Everything is IF EXISTS: the step may have been cut before this change.
std::optional<std::string> inverse_sql(const Change& change) {
    if (change.if_exists && change.kind < ChangeKind::kValidate) {
        return std::nullopt;  // it may have been there before
    }
    const std::string name = pg::quoted_name(change.name);
    switch (change.kind) {
        case ChangeKind::kCreateTable:
            return "drop table if exists " + change.relation;
        case ChangeKind::kCreateView:
            return "drop view if exists " + change.relation;
        case ChangeKind::kCreateSequence:
            return "drop sequence if exists " + change.relation;
        case ChangeKind::kCreateType:
            return "drop type if exists " + change.relation;
        case ChangeKind::kCreateSchema:
            return "drop schema if exists " + change.relation;
        case ChangeKind::kCreateIndex: {
            if (change.name.empty()) {
                return std::nullopt;
            }
            // An index lives in its table's schema, whatever the search path is.
            const std::size_t dot = change.relation.rfind("\".\"");
            const bool bare = change.name.find("\".\"") == std::string::npos;
            const std::string schema =
                dot != std::string::npos && bare ? change.relation.substr(0, dot + 2) : "";
            return fmt::format("drop index {}if exists {}{}",
                               change.concurrently ? "concurrently " : "", schema, change.name);
        }
        case ChangeKind::kAddColumn:
            return fmt::format("alter table if exists {} drop column if exists {}", change.relation,
                               name);
        case ChangeKind::kAddConstraint:
            if (change.name.empty()) {
                return std::nullopt;
            }
            return fmt::format("alter table if exists {} drop constraint if exists {}",
                               change.relation, name);
        case ChangeKind::kValidate:
        case ChangeKind::kReindex:
        case ChangeKind::kSafe:
            return "";
        case ChangeKind::kAddEnumValue:
        case ChangeKind::kDropTable:
        case ChangeKind::kDropSchema:
        case ChangeKind::kDropColumn:
        case ChangeKind::kDropIndex:
        case ChangeKind::kDetachConcurrently:
        case ChangeKind::kTruncate:
        case ChangeKind::kDelete:
        case ChangeKind::kUpdate:
        case ChangeKind::kOther:
            break;
    }
    return std::nullopt;
}

// Whether something of this migration undoes the table itself, so that its parts need nothing.
bool table_goes(const std::vector<Step>& steps, const std::string& relation) {
    return std::ranges::any_of(steps, [&](const Step& step) {
        return std::ranges::any_of(step.statements, [&](const Statement& statement) {
            return std::ranges::any_of(statement.facts.changes, [&](const Change& change) {
                return change.kind == ChangeKind::kCreateTable && !change.if_exists &&
                       change.relation == relation;
            });
        });
    });
}

Error no_inverse(const Script& script, const Statement& statement) {
    return {ErrorCode::kInvalidInput, "",
            fmt::format("{}:{}: howdah cannot tell how to undo: {}", script.up.file.string(),
                        statement.line, without_literals(statement.sql, 80)),
            "write a down script (Drizzle: NAME.down.sql beside it; Prisma and Drizzle 1.0: "
            "down.sql in its folder), or go forward with a new migration"};
}

// A bare name in a file that sets search_path to one schema gets it; with several nobody can tell
// from the text where it is.
std::optional<Change> in_its_schema(Change change) {
    const bool qualified = change.relation.find("\".\"") != std::string::npos;
    if (change.search_path.empty() || qualified || change.relation.empty() ||
        change.kind == ChangeKind::kCreateSchema) {
        return change;
    }
    if (change.search_path.find(',') != std::string::npos) {
        return std::nullopt;
    }
    change.relation = change.search_path + "." + change.relation;
    return change;
}

Result<std::vector<Statement>> undo_statement(const Script& script, const std::vector<Step>& steps,
                                              const Statement& statement) {
    std::vector<Statement> undone;
    for (auto change = statement.facts.changes.rbegin(); change != statement.facts.changes.rend();
         ++change) {
        if (change->kind != ChangeKind::kCreateTable && table_goes(steps, change->relation)) {
            continue;
        }
        const std::optional<Change> named = in_its_schema(*change);
        const std::optional<std::string> sql =
            named ? inverse_sql(*named) : std::optional<std::string>();
        if (!sql) {
            return fail(no_inverse(script, statement));
        }
        if (!sql->empty()) {
            undone.push_back({.sql = *sql, .line = statement.line, .facts = facts_of(*sql)});
        }
    }
    return undone;
}

void append(std::vector<Step>& steps, Statement statement) {
    const bool apart = statement.facts.own_transaction;
    const bool joins = !apart && !steps.empty() && steps.back().kind == StepKind::kTransaction;
    if (!joins) {
        steps.emplace_back();
        steps.back().kind = apart ? StepKind::kAutocommit : StepKind::kTransaction;
    }
    steps.back().statements.push_back(std::move(statement));
}

std::string exists_sql(const std::string& relation, const std::string& condition) {
    return fmt::format("select exists (select from {} {})", relation, condition);
}

// The column's default, as SQL; a value that equals it was not written by anybody.
Result<std::string> written_condition(pg::Connection& db, const Change& change) {
    TRY(const pg::Rows rows,
        db.query("select pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' from pg_attribute a "
                 "left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where "
                 "a.attrelid = to_regclass($1) and a.attname = $2 and not a.attisdropped",
                 {change.relation, change.name}));
    if (rows.size() == 0 || rows.boolean(0, 1)) {
        return std::string();  // not there, or computed from the others: nothing to lose
    }
    const std::string column = pg::quoted_name(change.name);
    if (rows.is_null(0, 0) || rows.text(0, 0).find('(') != std::string_view::npos) {
        return fmt::format("where {} is not null", column);
    }
    return fmt::format("where {} is distinct from ({})", column, rows.text(0, 0));
}

Result<std::string> stake_of(pg::Connection& db, const Change& change) {
    const SearchPath path(db, change.search_path);
    std::string condition;
    std::string what;
    switch (change.kind) {
        case ChangeKind::kDropTable:
            what = fmt::format("table {} holds rows", change.relation);
            break;
        case ChangeKind::kTruncate:
        case ChangeKind::kDelete:
            what = fmt::format("rows of table {} would be deleted", change.relation);
            break;
        case ChangeKind::kDropColumn: {
            TRY(condition, written_condition(db, change));
            if (condition.empty()) {
                return std::string();
            }
            what = fmt::format("column {} of {} holds values", pg::quoted_name(change.name),
                               change.relation);
            break;
        }
        case ChangeKind::kDropSchema: {
            TRY(const pg::Rows rows,
                db.query("select exists (select from pg_class c join pg_namespace n on n.oid = "
                         "c.relnamespace where n.nspname = (parse_ident($1))[1] and c.relkind in "
                         "('r', 'p', 'm'))",
                         {change.relation}));
            return rows.boolean(0, 0) ? fmt::format("schema {} holds tables", change.relation)
                                      : std::string();
        }
        default:
            return std::string();
    }
    TRY(const pg::Rows there, db.query("select to_regclass($1)", {change.relation}));
    if (there.is_null(0, 0)) {
        return std::string();
    }
    TRY(const pg::Rows rows, db.query(exists_sql(change.relation, condition), {}, pg::kNoDeadline));
    return rows.boolean(0, 0) ? what : std::string();
}

}  // namespace

Result<std::vector<Step>> inverse_of(const Script& script, const std::vector<Step>& steps) {
    std::vector<Step> inverse;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
        for (auto statement = step->statements.rbegin(); statement != step->statements.rend();
             ++statement) {
            TRY(std::vector<Statement> undone, undo_statement(script, steps, *statement));
            for (Statement& one : undone) {
                append(inverse, std::move(one));
            }
        }
    }
    std::ranges::for_each(inverse, seal_step);
    return inverse;
}

Result<std::vector<std::string>> data_at_stake(pg::Connection& db, const std::vector<Step>& steps) {
    std::vector<std::string> stakes;
    for (const Step& step : steps) {
        for (const Statement& statement : step.statements) {
            for (const Change& change : statement.facts.changes) {
                TRY(std::string stake, stake_of(db, change));
                if (!stake.empty()) {
                    stakes.push_back(std::move(stake));
                }
            }
        }
    }
    return stakes;
}

}  // namespace howdah::migrate::runner
