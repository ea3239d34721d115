#include "migrate/lint/fix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "migrate/interpreter.hpp"

namespace howdah::migrate::lint {
namespace {

// Puts one statement's safe steps together.
class Splitter {
  public:
    Splitter(const Script& script, const Schema& schema) : script_(script), schema_(schema) {}

    // `actions`: all of one statement.
    void split(const sql::ScriptStatement& statement, const std::vector<const Action*>& actions);
    bool changed() const { return changed_; }
    std::vector<FixStep> take() { return std::move(steps_); }

  private:
    void keep(std::string sql) { steps_.push_back({Phase::kExpand, std::move(sql) + ";"}); }
    void step(Phase phase, std::string sql) {
        steps_.push_back({phase, std::move(sql) + ";"});
        changed_ = true;
    }
    bool split_command(const Action& action, const std::string& text);
    bool split_column(const Action& action);
    bool split_key(const Action& action);
    void prove_not_null(const Action& action, const std::string& column);
    void backfill(const Action& action, const std::string& expression);
    std::string index_sql(const sql::ScriptStatement& statement, std::string_view word);

    const Script& script_;
    const Schema& schema_;
    std::vector<FixStep> steps_;
    bool changed_ = false;
};

std::string alter(const Action& action) {
    return "ALTER TABLE " + sql_name(action.table) + " ";
}

std::string cut(std::string name) {
    constexpr std::size_t kNameMax = 63;
    return name.size() > kNameMax ? name.substr(0, kNameMax) : name;
}

std::string plain_name(std::string_view dotted) {
    const std::size_t dot = dotted.rfind('.');
    return std::string(dot == std::string_view::npos ? dotted : dotted.substr(dot + 1));
}

// CREATE [UNIQUE] INDEX, DROP INDEX, REINDEX TABLE, ...: CONCURRENTLY behind `word`.
std::string Splitter::index_sql(const sql::ScriptStatement& statement, std::string_view word) {
    const std::string text(statement.in(script_.clean));
    sql::Lexer lexer(text);
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        if (sql::is_word(token, text, word)) {
            return text.substr(0, token.end) + " CONCURRENTLY" + text.substr(token.end);
        }
    }
    return text;
}

void Splitter::prove_not_null(const Action& action, const std::string& column) {
    const std::string name = cut(plain_name(action.table) + "_" + column + "_not_null");
    step(Phase::kExpand, fmt::format("{}ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID",
                                     alter(action), sql_name(name), sql_name(column)));
    step(Phase::kValidate, fmt::format("{}VALIDATE CONSTRAINT {}", alter(action), sql_name(name)));
    step(Phase::kContract,
         fmt::format("{}ALTER COLUMN {} SET NOT NULL", alter(action), sql_name(column)));
    step(Phase::kContract, fmt::format("{}DROP CONSTRAINT {}", alter(action), sql_name(name)));
}

// UNIQUE and PRIMARY KEY: the index first, outside a transaction; the constraint takes it over.
bool Splitter::split_key(const Action& action) {
    const Table* table = schema_.find(action.table);
    const bool primary = action.constraint == ConstraintKind::kPrimary;
    if (table != nullptr && table->kind == TableKind::kPartitioned) {
        return false;  // no CONCURRENTLY on a partitioned table
    }
    const std::string index = cut(action.name + "_idx");
    step(Phase::kIndex,
         fmt::format("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({})", sql_name(index),
                     sql_name(action.table), sql_names(action.columns)));
    for (const std::string& column : action.columns) {
        const bool proved = table != nullptr && table->never_null(column, true);
        if (primary && !proved) {
            prove_not_null(action, column);
        }
    }
    step(Phase::kContract,
         fmt::format("{}ADD CONSTRAINT {} {} USING INDEX {}", alter(action), sql_name(action.name),
                     primary ? "PRIMARY KEY" : "UNIQUE", sql_name(index)));
    return true;
}

// A procedure that commits each batch and begins where NULLs are left, so that it may be cut off
// and called again. By key range where there is one key column; by row address otherwise.
void Splitter::backfill(const Action& action, const std::string& expression) {
    const Table* table = schema_.find(action.table);
    const TableConstraint* key = table == nullptr ? nullptr : table->primary_key();
    const std::string name =
        sql_name(cut("howdah_backfill_" + plain_name(action.table) + "_" + action.name));
    const std::string target = sql_name(action.table);
    const std::string column = sql_name(action.name);
    std::string body;
    if (key != nullptr && key->columns.size() == 1) {
        const std::string id = sql_name(key->columns.front());
        body = fmt::format(
            "DECLARE\n  last {0}.{1}%TYPE;\n  upto {0}.{1}%TYPE;\nBEGIN\n"
            "  LOOP\n"
            "    SELECT max({1}) INTO upto FROM (SELECT {1} FROM {0}\n"
            "      WHERE last IS NULL OR {1} > last ORDER BY {1} LIMIT 5000) AS batch;\n"
            "    EXIT WHEN upto IS NULL;\n"
            "    UPDATE {0} SET {2} = {3}\n"
            "      WHERE {1} <= upto AND (last IS NULL OR {1} > last) AND {2} IS NULL;\n"
            "    last := upto;\n    COMMIT;\n    PERFORM pg_sleep(0.05);\n  END LOOP;\nEND",
            target, id, column, expression);
    } else {
        body = fmt::format(
            "BEGIN\n  LOOP\n    UPDATE {0} SET {1} = {2} WHERE ctid = ANY (ARRAY(\n"
            "      SELECT ctid FROM {0} WHERE {1} IS NULL LIMIT 5000 FOR UPDATE SKIP LOCKED));\n"
            "    EXIT WHEN NOT FOUND;\n    COMMIT;\n    PERFORM pg_sleep(0.05);\n  END LOOP;\nEND",
            target, column, expression);
    }
    step(Phase::kExpand, fmt::format("CREATE OR REPLACE PROCEDURE {}() LANGUAGE plpgsql AS $body$\n"
                                     "{};\n$body$",
                                     name, body));
    step(Phase::kBackfill, fmt::format("CALL {}()", name));
    step(Phase::kContract, fmt::format("DROP PROCEDURE {}()", name));
}

// ADD COLUMN with a volatile default: the column, its default for new rows, old rows in batches.
bool Splitter::split_column(const Action& action) {
    const PgQuery__ColumnDef* definition = action.column_def;
    const bool alone = definition != nullptr &&
                       !action.any(kSerial | kIdentity | kGenerated | kInlineCheck | kInlineUnique |
                                   kInlinePrimary | kInlineForeign | kConstrainedDomain);
    if (!alone || !action.any(kVolatileDefault | kUnknownDefault)) {
        return false;
    }
    const std::string_view text =
        std::string_view(script_.clean).substr(action.begin, action.end - action.begin);
    sql::Lexer lexer(text);
    std::size_t from = std::string_view::npos;
    std::size_t to = text.size();
    int depth = 0;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        depth += sql::is_punct(token, text, '(') ? 1 : sql::is_punct(token, text, ')') ? -1 : 0;
        if (from == std::string_view::npos) {
            from = sql::is_word(token, text, "default") ? token.end : from;
        } else if (depth == 0 &&
                   (sql::is_word(token, text, "not") || sql::is_word(token, text, "null") ||
                    sql::is_word(token, text, "collate"))) {
            to = token.begin;
            break;
        }
    }
    if (from == std::string_view::npos) {
        return false;
    }
    std::string expression(text.substr(from, to - from));
    expression.erase(0, expression.find_first_not_of(" \t\r\n"));
    expression.erase(expression.find_last_not_of(" \t\r\n") + 1);
    step(Phase::kExpand, fmt::format("{}ADD COLUMN {} {}", alter(action), sql_name(action.name),
                                     to_sql(action.to)));
    step(Phase::kExpand, fmt::format("{}ALTER COLUMN {} SET DEFAULT {}", alter(action),
                                     sql_name(action.name), expression));
    backfill(action, expression);
    if (action.has(kNotNull)) {
        prove_not_null(action, action.name);
    }
    return true;
}

// One subcommand of ALTER TABLE; false: it stays as it is.
bool Splitter::split_command(const Action& action, const std::string& text) {
    if (!action.works()) {
        return false;
    }
    switch (action.kind) {
        case ActionKind::kSetNotNull:
            prove_not_null(action, action.name);
            return true;
        case ActionKind::kAddColumn:
            return split_column(action);
        case ActionKind::kAddConstraint: {
            if (action.constraint == ConstraintKind::kPrimary ||
                action.constraint == ConstraintKind::kUnique) {
                return split_key(action);
            }
            const Table* table = schema_.find(action.table);
            const bool partitioned = table != nullptr && table->kind == TableKind::kPartitioned;
            const bool foreign = action.constraint == ConstraintKind::kForeign;
            if (action.constraint == ConstraintKind::kExclude || (foreign && partitioned)) {
                return false;
            }
            const bool named = text.find(sql_name(action.name)) != std::string::npos;
            const std::string body = named ? text
                                           : "ADD CONSTRAINT " + sql_name(action.name) +
                                                 text.substr(text.find_first_of(" \t\r\n"));
            step(Phase::kExpand, alter(action) + body + " NOT VALID");
            step(Phase::kValidate, alter(action) + "VALIDATE CONSTRAINT " + sql_name(action.name));
            return true;
        }
        default:
            return false;
    }
}

void Splitter::split(const sql::ScriptStatement& statement,
                     const std::vector<const Action*>& actions) {
    const std::string text(statement.in(script_.clean));
    const Action* first = actions.empty() || actions.front()->nested ? nullptr : actions.front();
    if (first == nullptr || first->node == nullptr) {
        return keep(text);
    }
    const Table* table = schema_.find(first->table);
    const bool partitioned = table != nullptr && table->kind == TableKind::kPartitioned;
    const bool plain_index = (first->kind == ActionKind::kCreateIndex && first->builds()) ||
                             (first->kind == ActionKind::kDropIndex && !first->fresh);
    if (plain_index && !first->has(kConcurrently) && !partitioned && actions.size() == 1) {
        return step(Phase::kIndex, index_sql(statement, "index"));
    }
    if (first->kind == ActionKind::kValidate) {
        return step(Phase::kValidate, text);
    }
    if (first->node->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_STMT) {
        return keep(text);
    }
    std::string rest;
    for (std::size_t i = 0; i < actions.size(); ++i) {
        const auto [begin, end] = subcommand_range(
            {.text = script_.clean, .begin = statement.begin, .end = statement.end}, i);
        const std::string command = script_.clean.substr(begin, end - begin);
        if (!split_command(*actions[i], command)) {
            rest += (rest.empty() ? "" : ",\n  ") + command;
        }
    }
    if (!rest.empty()) {
        keep(alter(*first) + rest);
    }
}

}  // namespace

std::string_view phase_name(Phase phase) {
    switch (phase) {
        case Phase::kExpand:
            return "expand";
        case Phase::kIndex:
            return "index";
        case Phase::kBackfill:
            return "backfill";
        case Phase::kValidate:
            return "validate";
        case Phase::kContract:
            return "contract";
    }
    return "expand";
}

std::vector<FixStep> split_steps(const Script& script, const std::vector<Action>& actions,
                                 const Schema& schema) {
    std::map<std::size_t, std::vector<const Action*>> by_statement;
    for (const Action& action : actions) {
        by_statement[action.statement].push_back(&action);
    }
    Splitter splitter(script, schema);
    for (std::size_t i = 0; i < script.statements.size(); ++i) {
        splitter.split(script.statements[i], by_statement[i]);
    }
    if (!splitter.changed()) {
        return {};
    }
    const std::vector<FixStep> steps = splitter.take();
    std::vector<FixStep> ordered;
    for (const Phase phase :
         {Phase::kExpand, Phase::kIndex, Phase::kBackfill, Phase::kValidate, Phase::kContract}) {
        std::ranges::copy_if(steps, std::back_inserter(ordered),
                             [phase](const FixStep& step) { return step.phase == phase; });
    }
    return ordered;
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
        std::vector<Action> actions;
        bool broken = false;
        for (std::size_t n = 0; n < script.statements.size(); ++n) {
            const sql::ScriptStatement& statement = script.statements[n];
            broken = broken || !statement.tree;
            if (!statement.tree || statement.tree->first() == nullptr) {
                continue;
            }
            Interpreter(schema, static_cast<std::uint32_t>(i + 2))
                .run(*statement.tree->first(),
                     {.text = script.clean,
                      .begin = statement.begin,
                      .end = statement.end,
                      .number = n},
                     [&](Action& action) {
                         actions.push_back(action);
                         actions.back().node = action.nested ? nullptr : action.node;
                     });
        }
        if (!file.judged || broken) {
            continue;
        }
        std::vector<FixStep> steps = split_steps(script, actions, before);
        if (steps.empty()) {
            continue;
        }
        if (!last) {
            plan.left.push_back(file.path + ": other migrations follow it");
        } else if (!place_steps(input.project, i, script, std::move(steps), plan)) {
            plan.left.push_back(fmt::format("{}: {} has no place for files beside it", file.path,
                                            tool_name(input.project.tool)));
        }
    }
    return plan;
}

}  // namespace howdah::migrate::lint
