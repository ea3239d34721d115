#include "migrate/lint/fix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "migrate/interpreter.hpp"
#include "migrate/lint/fix_order.hpp"

namespace howdah::migrate::lint {
namespace {

// Puts one statement's safe steps together.
class Splitter {
  public:
    explicit Splitter(const FixInput& input)
        : script_(input.script), schema_(input.schema), tool_(input.tool) {}

    // Statement `number`; `actions`: all of it.
    void split(std::size_t number, const std::vector<const Action*>& actions);
    void leave_comments() { comments_stay_ = true; }
    // The keys that an index of this file serves come after it.
    void note_indexes(const std::vector<Action>& actions);
    bool changed() const { return !broken_ && (changed_ || (changes_rows_ && changes_tables_)); }
    std::vector<FixStep> take();

  private:
    void add(Phase phase, std::string sql) {
        steps_.push_back({round_, phase, comment_ + std::move(sql) + ";" + remark_, in_block_});
        comment_.clear();
        remark_.clear();
    }
    void keep(std::string sql) { add(Phase::kExpand, std::move(sql)); }
    void step(Phase phase, std::string sql) {
        add(phase, std::move(sql));
        changed_ = true;
    }
    // What ALTER TABLE does at once; all of one statement stays one statement.
    void expand(const Action& action, const std::string& commands) {
        if (joined_ != nullptr && round_ == joined_round_) {
            *joined_ += (joined_->empty() ? "" : ",\n  ") + commands;
            changed_ = true;
        } else {
            step(Phase::kExpand, "ALTER TABLE " + sql_name(action.table) + " " + commands);
        }
    }
    void next_round() {
        ++round_;
        deferred_.clear();
    }
    void read_comments(std::size_t number);
    bool split_block(const Action& first);
    bool split_rows(const Action& first, const std::string& text);
    void split_table(const sql::ScriptStatement& statement,
                     const std::vector<const Action*>& actions);
    bool split_command(const Action& action, const std::string& text);
    bool split_column(const Action& action);
    bool split_key(const Action& action);
    void prove_not_null(const Action& action, const std::vector<std::string>& columns,
                        const std::string& then = "");
    void backfill(const Action& action, const std::string& expression);
    std::string index_sql(const sql::ScriptStatement& statement, std::string_view word);

    const Script& script_;
    const Schema& schema_;
    Tool tool_;
    std::vector<FixStep> steps_;
    Deferred deferred_;
    std::set<std::string> indexed_;  // tables that got an index in a file of its own
    int round_ = 0;
    std::string comment_;  // above the statement, with its line ends
    std::string remark_;   // behind it, on its line
    std::string after_backfill_;
    std::string* joined_ = nullptr;  // what is instant of the subcommand that is being split
    int joined_round_ = 0;
    bool replaces_ = false;  // the statement drops a constraint, too
    std::string old_keys_;   // what it drops in exchange for a key: goes when that one is there
    std::set<std::pair<std::string, std::string>> to_index_;  // table, first column
    bool changed_ = false;
    bool changes_rows_ = false;
    bool changes_tables_ = false;
    bool in_block_ = false;
    bool comments_stay_ = false;  // what stands around the statement is not touched
    bool broken_ = false;         // ROLLBACK or SAVEPOINT: no order but its own
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

std::string backfill_name(const Action& action) {
    return sql_name(cut("howdah_backfill_" + plain_name(action.table) + "_" + action.name));
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

// A CHECK that is validated without a strong lock spares SET NOT NULL its scan. It goes in a
// statement behind: PostgreSQL drops first what one statement drops. `then` joins that one.
void Splitter::prove_not_null(const Action& action, const std::vector<std::string>& columns,
                              const std::string& then) {
    std::vector<std::string> add;
    std::vector<std::string> validate;
    std::vector<std::string> set;
    std::vector<std::string> drop;
    for (const std::string& column : columns) {
        const std::string name =
            sql_name(cut(plain_name(action.table) + "_" + column + "_not_null"));
        add.push_back(fmt::format("ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID", name,
                                  sql_name(column)));
        validate.push_back("VALIDATE CONSTRAINT " + name);
        set.push_back(fmt::format("ALTER COLUMN {} SET NOT NULL", sql_name(column)));
        drop.push_back("DROP CONSTRAINT " + name);
    }
    if (!then.empty()) {
        drop.push_back(then);
    }
    expand(action, fmt::format("{}", fmt::join(add, ",\n  ")));
    step(Phase::kValidate, fmt::format("{}{}", alter(action), fmt::join(validate, ",\n  ")));
    step(Phase::kContract, fmt::format("{}{}", alter(action), fmt::join(set, ",\n  ")));
    step(Phase::kContract, fmt::format("{}{}", alter(action), fmt::join(drop, ",\n  ")));
    deferred_.put_off(action.table, kNotNullLater);
}

// UNIQUE and PRIMARY KEY: the index first, outside a transaction; the constraint takes it over. A
// key that it replaces is dropped by the same statement: rows are never without one.
bool Splitter::split_key(const Action& action) {
    const Table* table = schema_.find(action.table);
    const bool primary = action.constraint == ConstraintKind::kPrimary;
    if (!adds_key(action, schema_)) {
        return false;
    }
    const std::string index = cut(action.name + "_idx");
    step(Phase::kIndex,
         fmt::format("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({})", sql_name(index),
                     sql_name(action.table), sql_names(action.columns)));
    std::vector<std::string> unproved;
    std::ranges::copy_if(
        action.columns, std::back_inserter(unproved), [&](const std::string& column) {
            return primary && (table == nullptr || !table->never_null(column, true));
        });
    const std::string take_over =
        std::exchange(old_keys_, {}) +
        fmt::format("ADD CONSTRAINT {} {} USING INDEX {}", sql_name(action.name),
                    primary ? "PRIMARY KEY" : "UNIQUE", sql_name(index));
    if (unproved.empty()) {
        step(Phase::kContract, alter(action) + take_over);
    } else {
        prove_not_null(action, unproved, take_over);
    }
    deferred_.put_off(action.table, kKeyLater);
    return true;
}

// Old rows, so that it may be cut off and run again. For howdah migrate and the tools whose files
// cannot hold a procedure (Prisma cuts at every semicolon, drizzle-kit has one transaction): an
// UPDATE that howdah runs in batches by key. For the others a procedure that commits each batch and
// begins where NULLs are left, by key range where there is one key column, by row address
// otherwise.
void Splitter::backfill(const Action& action, const std::string& expression) {
    const Table* table = schema_.find(action.table);
    const TableConstraint* key = table == nullptr ? nullptr : table->primary_key();
    const std::string target = sql_name(action.table);
    const std::string column = sql_name(action.name);
    const bool update = tool_ == Tool::kDrizzle || tool_ == Tool::kDrizzle1 ||
                        tool_ == Tool::kPrisma || (tool_ == Tool::kPlain && key != nullptr);
    if (update) {
        return step(Phase::kBackfill, fmt::format("{0}UPDATE {1} SET {2} = {3} WHERE {2} IS NULL",
                                                  key != nullptr ? "-- howdah:backfill\n" : "",
                                                  target, column, expression));
    }
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
    const std::string name = backfill_name(action);
    step(Phase::kExpand, fmt::format("CREATE OR REPLACE PROCEDURE {}() LANGUAGE plpgsql AS $body$\n"
                                     "{};\n$body$",
                                     name, body));
    step(Phase::kBackfill, fmt::format("CALL {}()", name));
    after_backfill_ = fmt::format("DROP PROCEDURE {}()", name);
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
    expand(action, fmt::format("ADD COLUMN {0} {1},\n  ALTER COLUMN {0} SET DEFAULT {2}",
                               sql_name(action.name), to_sql(action.to), expression));
    backfill(action, expression);
    // A CHECK that is not valid still holds for each row that is written: before the backfill is
    // through, it would refuse the application's updates of old rows.
    next_round();
    if (!after_backfill_.empty()) {
        step(Phase::kContract, std::exchange(after_backfill_, {}));
    }
    if (action.has(kNotNull)) {
        prove_not_null(action, {action.name});
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
            prove_not_null(action, {action.name});
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
            const bool waits = foreign && !replaces_ && !action.columns.empty() &&
                               to_index_.contains({action.table, action.columns.front()});
            if (waits) {
                step(Phase::kKeys, alter(action) + body + " NOT VALID");
            } else {
                expand(action, body + " NOT VALID");
            }
            step(Phase::kValidate, alter(action) + "VALIDATE CONSTRAINT " + sql_name(action.name));
            deferred_.put_off(action.table, kNotNullLater);
            return true;
        }
        default:
            return false;
    }
}

// Comments above the statement and behind it, without the tools' own marks.
void Splitter::read_comments(std::size_t number) {
    const sql::ScriptStatement& statement = script_.statements[number];
    std::size_t from = number == 0 ? 0 : script_.statements[number - 1].end;
    if (number > 0) {  // what stands behind the statement before, on its line, is that one's
        const std::size_t line = script_.text.find('\n', from);
        from = std::min(line == std::string::npos ? statement.begin : line, statement.begin);
    }
    comment_.clear();
    if (comments_stay_) {
        return;
    }
    std::string_view gap = std::string_view(script_.text).substr(from, statement.begin - from);
    while (!gap.empty()) {
        const std::size_t end = std::min(gap.find('\n'), gap.size() - 1) + 1;
        std::string_view line = gap.substr(0, end);
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        const bool mark = line.starts_with("-->") || line.starts_with("-- +goose") ||
                          line.starts_with("-- migrate:") || line.starts_with("--!") ||
                          line.starts_with("-- howdah:no-transaction") ||
                          (tool_ == Tool::kSqitch &&
                           (line.starts_with("-- Deploy ") || line.starts_with("-- requires: ")));
        if (line.starts_with("--") && !mark && line.ends_with('\n')) {
            comment_ += line;
        }
        gap.remove_prefix(end);
    }
    const std::size_t end = std::min(script_.text.find('\n', statement.end), script_.text.size());
    std::string_view rest =
        std::string_view(script_.text).substr(statement.end, end - statement.end);
    const std::size_t dash = rest.find("--");
    const bool alone = dash != std::string_view::npos &&
                       rest.substr(0, dash).find_first_not_of("; \t") == std::string_view::npos;
    rest = alone ? rest.substr(dash) : std::string_view();
    while (rest.ends_with('\r') || rest.ends_with(' ')) {
        rest.remove_suffix(1);
    }
    remark_ = rest.empty() || rest.starts_with("-->") ? "" : " " + std::string(rest);
}

// BEGIN and COMMIT come back around each file of several statements.
bool Splitter::split_block(const Action& first) {
    switch (first.kind) {
        case ActionKind::kBegin:
            in_block_ = true;
            return true;
        case ActionKind::kCommit:
            in_block_ = false;
            next_round();
            return true;
        case ActionKind::kRollback:
        case ActionKind::kSavepoint:
            broken_ = true;
            return true;
        default:
            return false;
    }
}

// UPDATE and DELETE of existing rows get a file of their own, which howdah migrate runs in batches
// by key where it can; to others the mark is a comment.
bool Splitter::split_rows(const Action& first, const std::string& text) {
    const bool rows = first.kind == ActionKind::kUpdate || first.kind == ActionKind::kDelete;
    if (!rows || first.fresh || first.node == nullptr) {
        return false;
    }
    const sql::Node& node = *first.node;
    const bool simple =
        node.node_case == PG_QUERY__NODE__NODE_UPDATE_STMT
            ? node.update_stmt->n_from_clause == 0 && node.update_stmt->with_clause == nullptr &&
                  node.update_stmt->n_returning_list == 0
        : node.node_case == PG_QUERY__NODE__NODE_DELETE_STMT
            ? node.delete_stmt->n_using_clause == 0 && node.delete_stmt->with_clause == nullptr &&
                  node.delete_stmt->n_returning_list == 0
            : false;
    const Table* table = schema_.find(first.table);
    const bool keyed = table != nullptr && table->primary_key() != nullptr;
    const bool marked = comment_.find("howdah:backfill") != std::string::npos;
    comment_ += simple && keyed && !marked ? "-- howdah:backfill\n" : "";
    add(Phase::kBackfill, text);
    deferred_.put_off(first.table, kRowsLater);
    changes_rows_ = true;
    return true;
}

// What is instant stays one statement, in its order. PostgreSQL itself sorts the subcommands of one
// statement: what is dropped goes first, then columns are added, then constraints.
void Splitter::split_table(const sql::ScriptStatement& statement,
                           const std::vector<const Action*>& actions) {
    const auto start = static_cast<std::ptrdiff_t>(steps_.size());
    const FixStep shape{round_, Phase::kExpand, {}, in_block_};
    const std::string comment = std::exchange(comment_, {});
    const std::string remark = std::exchange(remark_, {});
    std::string all;
    std::string own;   // of what was split
    std::string rest;  // as it was written
    bool long_work = false;
    std::set<std::string> made;
    bool needs_made = false;
    replaces_ = std::ranges::any_of(
        actions, [](const Action* action) { return action->kind == ActionKind::kDropConstraint; });
    const bool new_key = std::ranges::any_of(
        actions, [this](const Action* action) { return adds_key(*action, schema_); });
    joined_round_ = round_;
    old_keys_.clear();
    const auto text_of = [&](std::size_t i) {
        const auto [begin, end] = subcommand_range(
            {.text = script_.clean, .begin = statement.begin, .end = statement.end}, i);
        return script_.clean.substr(begin, end - begin);
    };
    const auto goes_later = [&](std::size_t i) {
        return new_key && drops_key(*actions[i], schema_);
    };
    for (std::size_t i = 0; i < actions.size(); ++i) {
        old_keys_ += goes_later(i) ? text_of(i) + ",\n  " : "";
    }
    const auto append = [](std::string& to, const std::string& command) {
        to += (to.empty() || command.empty() ? "" : ",\n  ") + command;
    };
    for (std::size_t i = 0; i < actions.size(); ++i) {
        if (goes_later(i)) {
            continue;
        }
        const std::string command = text_of(i);
        std::string instant;
        joined_ = &instant;
        if (split_command(*actions[i], command)) {
            made.insert(actions[i]->name);
            append(all, instant);
            append(own, instant);
        } else {
            append(all, command);
            append(rest, command);
            long_work = long_work || actions[i]->works();
            const bool drops = actions[i]->kind == ActionKind::kDropConstraint ||
                               actions[i]->kind == ActionKind::kDropColumn;
            needs_made = needs_made || (!drops && made.contains(actions[i]->name));
        }
        joined_ = nullptr;
    }
    std::vector<std::string> parts{all};
    if (long_work) {
        parts = needs_made ? std::vector{own, rest} : std::vector{rest, own};
    }
    std::erase(parts, "");
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        FixStep step = shape;
        step.sql = alter(*actions.front()) + *part + ";";
        steps_.insert(steps_.begin() + start, std::move(step));
    }
    FixStep& first = steps_.at(static_cast<std::size_t>(start));
    first.sql = comment + first.sql + remark;
}

void Splitter::note_indexes(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
        if (action.kind == ActionKind::kCreateIndex && !action.fresh && !action.nested &&
            action.builds() && !action.columns.empty()) {
            to_index_.emplace(action.table, action.columns.front());
        }
    }
}

void Splitter::split(std::size_t number, const std::vector<const Action*>& actions) {
    const sql::ScriptStatement& statement = script_.statements[number];
    const std::string text(statement.in(script_.clean));
    const Action* first = actions.empty() ? nullptr : actions.front();
    if (first != nullptr && split_block(*first)) {
        return;
    }
    read_comments(number);
    const bool overtakes = std::ranges::any_of(
        actions, [this](const Action* action) { return deferred_.comes_before(*action); });
    if (overtakes) {
        next_round();
    }
    if (first == nullptr || first->nested || first->node == nullptr) {
        return keep(text);
    }
    if (split_rows(*first, text)) {
        return;
    }
    changes_tables_ = changes_tables_ || (!first->fresh && blocks_writes(first->strongest()));
    const Table* table = schema_.find(first->table);
    const bool partitioned = table != nullptr && table->kind == TableKind::kPartitioned;
    // An index of this migration is in use as soon as it has a file of its own.
    const bool fresh = first->fresh && !indexed_.contains(first->table);
    const bool plain_index = (first->kind == ActionKind::kCreateIndex && first->builds()) ||
                             (first->kind == ActionKind::kDropIndex && !fresh);
    if (plain_index && !first->has(kConcurrently) && !partitioned && actions.size() == 1) {
        deferred_.put_off(first->table, kIndexLater);
        indexed_.insert(first->table);
        return step(Phase::kIndex, index_sql(statement, "index"));
    }
    if (first->has(kConcurrently) && first->own_transaction_only) {
        deferred_.put_off(first->table, kIndexLater);
        return add(Phase::kIndex, text);
    }
    if (first->kind == ActionKind::kValidate && actions.size() == 1) {
        return step(Phase::kValidate, text);
    }
    if (first->node->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_STMT) {
        return keep(text);
    }
    split_table(statement, actions);
}

std::vector<FixStep> Splitter::take() {
    std::vector<FixStep> ordered;
    for (int round = 0; round <= round_; ++round) {
        for (const Phase phase : {Phase::kExpand, Phase::kIndex, Phase::kKeys, Phase::kBackfill,
                                  Phase::kValidate, Phase::kContract}) {
            std::ranges::copy_if(steps_, std::back_inserter(ordered), [&](const FixStep& step) {
                return step.round == round && step.phase == phase;
            });
        }
    }
    return ordered;
}

}  // namespace

std::string_view phase_name(Phase phase) {
    switch (phase) {
        case Phase::kExpand:
            return "expand";
        case Phase::kIndex:
            return "index";
        case Phase::kKeys:
            return "keys";
        case Phase::kBackfill:
            return "backfill";
        case Phase::kValidate:
            return "validate";
        case Phase::kContract:
            return "contract";
    }
    return "expand";
}

std::vector<FixStep> split_steps(const FixInput& input) {
    std::map<std::size_t, std::vector<const Action*>> by_statement;
    for (const Action& action : input.actions) {
        by_statement[action.statement].push_back(&action);
    }
    Splitter splitter(input);
    splitter.note_indexes(input.actions);
    for (std::size_t i = 0; i < input.script.statements.size(); ++i) {
        splitter.split(i, by_statement[i]);
    }
    return splitter.changed() ? splitter.take() : std::vector<FixStep>();
}

std::string split_in_place(const FixInput& input, std::size_t number) {
    std::vector<const Action*> own;
    for (const Action& action : input.actions) {
        if (action.statement == number) {
            own.push_back(&action);
        }
    }
    Splitter splitter(input);
    splitter.leave_comments();
    splitter.split(number, own);
    if (!splitter.changed()) {
        return {};
    }
    std::string text;
    for (const FixStep& step : splitter.take()) {
        if (step.phase == Phase::kBackfill) {
            return {};
        }
        text += text.empty() ? "" : separator_of(input.tool);
        text += step.sql;
    }
    text.pop_back();
    return text;
}

}  // namespace howdah::migrate::lint
