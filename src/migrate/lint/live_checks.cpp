// live: rows that break what the migration demands, and uses of what it takes away.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/lint/live.hpp"
#include "migrate/rules/rules.hpp"
#include "sql/tokens.hpp"

namespace howdah::migrate::lint {
namespace {

// What stands in the parentheses behind `word`; "" when there are none.
std::string inside(std::string_view text, std::string_view word) {
    sql::Lexer lexer(text);
    int depth = 0;
    bool seen = false;
    std::size_t from = 0;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        if (!seen) {
            seen = sql::is_word(token, text, word);
        } else if (sql::is_punct(token, text, '(')) {
            from = depth++ == 0 ? token.end : from;
        } else if (sql::is_punct(token, text, ')') && --depth == 0) {
            return std::string(text.substr(from, token.begin - from));
        }
    }
    return {};
}

// What follows the last `word` outside of parentheses.
std::string behind(std::string_view text, std::string_view word) {
    sql::Lexer lexer(text);
    int depth = 0;
    std::string rest;
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        depth += sql::is_punct(token, text, '(') ? 1 : sql::is_punct(token, text, ')') ? -1 : 0;
        if (depth == 0 && sql::is_word(token, text, word)) {
            rest = text.substr(token.end);
        }
    }
    return rest;
}

bool says(std::string_view text, std::string_view word) {
    return !behind(text, word).empty();
}

std::string at_least(const std::string& condition, const std::string& table) {
    return fmt::format("select count(*) from (select 1 from {} where {} limit 1000) as n", table,
                       condition);
}

// "c.a = p.x and c.b = p.y"
std::string pairs(const std::vector<std::string>& left, const std::vector<std::string>& right) {
    std::string text;
    for (std::size_t i = 0; i < left.size(); ++i) {
        text += fmt::format("{}c.{} = p.{}", i == 0 ? "" : " and ", sql_name(left[i]),
                            sql_name(right[i]));
    }
    return text;
}

// Values are the database's own and belong into no report: "invalid input syntax for type integer".
std::string without_value(std::string_view message) {
    const std::size_t quote = message.find_first_of(":\"\n");
    std::string text(message.substr(0, quote));
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace

void LiveDatabase::check_unique(const JudgedAction& judged, std::vector<Check>& checks) const {
    const Action& action = judged.action;
    if (action.columns.empty() || std::ranges::find(action.columns, "") != action.columns.end()) {
        return;
    }
    const std::string table = sql_name(action.table);
    const std::string columns = sql_names(action.columns);
    const bool primary =
        action.constraint == ConstraintKind::kPrimary && action.kind == ActionKind::kAddConstraint;
    if (primary) {
        for (const std::string& column : action.columns) {
            checks.push_back({.what = fmt::format("rows of {} without {}", action.table, column),
                              .sql = at_least(sql_name(column) + " is null", table)});
        }
    }
    // NULLS NOT DISTINCT: two rows without a value are duplicates too.
    const bool nulls_count =
        says(judged.text, "nulls") && says(judged.text, "distinct") && says(judged.text, "not");
    const std::string predicate =
        action.kind == ActionKind::kCreateIndex ? behind(judged.text, "where") : "";
    checks.push_back(
        {.what = fmt::format("groups of duplicates of ({}) in {}", columns, action.table),
         .sql = fmt::format("select count(*) from (select 1 from {}{}{} group by {} having "
                            "count(*) > 1{} limit 1000) as n",
                            table, predicate.empty() ? "" : " where ", predicate, columns,
                            nulls_count ? "" : fmt::format(" and num_nulls({}) = 0", columns))});
}

void LiveDatabase::check_foreign(const JudgedAction& judged, std::vector<Check>& checks) {
    const Action& action = judged.action;
    std::vector<std::string> referenced = judged.referenced;
    if (referenced.empty()) {
        const auto rows = connection_.query(
            "select a.attname from pg_index i, unnest(i.indkey[0:i.indnkeyatts - 1]) with "
            "ordinality k(attnum, place) join pg_attribute a on a.attnum = k.attnum where "
            "a.attrelid = i.indrelid and i.indrelid = to_regclass($1) and i.indisprimary order by "
            "k.place",
            {sql_name(action.other)});
        for (std::size_t i = 0; rows && i < rows->size(); ++i) {
            referenced.push_back(rows->string(i, 0));
        }
    }
    if (action.columns.empty() || referenced.size() != action.columns.size()) {
        return;
    }
    std::string present;
    for (const std::string& column : action.columns) {
        present +=
            fmt::format("{}c.{} is not null", present.empty() ? "" : " and ", sql_name(column));
    }
    checks.push_back(
        {.what = fmt::format("rows of {} that point to no row of {}", action.table, action.other),
         .sql = fmt::format(
             "select count(*) from (select 1 from {} c where {} and not exists (select from {} p "
             "where {}) limit 1000) as n",
             sql_name(action.table), present, sql_name(action.other),
             pairs(action.columns, referenced))});
}

// Every value is cast as the statement would cast it; what is cut off without an error by a cast
// written out, an assignment refuses.
void LiveDatabase::check_type(const JudgedAction& judged, std::vector<Check>& checks) const {
    const Action& action = judged.action;
    if (action.change != TypeChange::kRewrite && action.change != TypeChange::kUnknown) {
        return;
    }
    const std::string table = sql_name(action.table);
    const std::string column = sql_name(action.name);
    const std::string type = to_sql(action.to);
    const std::string expression = behind(judged.text, "using");
    const std::string value = expression.empty() ? column : "(" + expression + ")";
    const std::string what =
        fmt::format("values of {}.{} that are no {}", action.table, action.name, type);
    checks.push_back({.what = what,
                      .sql = fmt::format("select 0 * count(({})::{}) from {}", value, type, table),
                      .error_is_finding = true});
    const std::size_t open = type.find('(');
    const bool text = type.starts_with("varchar") || type.starts_with("character varying");
    if (text && open != std::string::npos) {
        const std::string limit = inside(
            type, type.substr(0, open).find(' ') == std::string::npos ? "varchar" : "varying");
        checks.push_back(
            {.what =
                 fmt::format("values of {}.{} longer than {}", action.table, action.name, limit),
             .sql = at_least(fmt::format("length(rtrim(({})::text, ' ')) > {}", value, limit),
                             table)});
    }
}

// VALIDATE of a constraint that the database already has.
void LiveDatabase::check_stored(const JudgedAction& judged, std::vector<Check>& checks) {
    const Action& action = judged.action;
    const auto rows = connection_.query(
        "select pg_get_expr(conbin, conrelid) from pg_constraint where conrelid = to_regclass($1) "
        "and conname = $2 and contype = 'c' and not convalidated",
        {sql_name(action.table), action.name});
    if (rows && rows->size() == 1) {
        checks.push_back(
            {.what = fmt::format("rows of {} that break {}", action.table, action.name),
             .sql = at_least("not (" + rows->string(0, 0) + ")", sql_name(action.table))});
    }
}

void LiveDatabase::run_check(const Check& check, const Project& project, const JudgedAction& judged,
                             LintResult& result) {
    const auto rows = connection_.query(check.sql);
    std::string found;
    std::string evidence;
    if (rows) {
        found = rows->size() == 0 || rows->is_null(0, 0) ? "0" : rows->string(0, 0);
    } else {
        const std::string& state = rows.error().sqlstate;
        // 42: names something that a migration before this one makes. 22: a value.
        if (check.error_is_finding && state.starts_with("22")) {
            found = "some";
            evidence = fmt::format("{} ({})", without_value(rows.error().message), state);
        } else if (state.starts_with("42") && state != "42501") {
            return;
        } else {
            Finding& unknown = report(
                rule_data_breaks_constraint, project, judged,
                fmt::format("could not look for {}: {}", check.what, rows.error().message), result);
            unknown.severity = Severity::kInfo;
            unknown.risk = Risk::kLow;
            unknown.confidence = "suspected";
            return;
        }
    }
    if (found == "0") {
        return;
    }
    Finding& broken = report(
        rule_data_breaks_constraint, project, judged,
        fmt::format("{}{} {}", found == "1000" ? "at least " : "", found, check.what), result);
    broken.evidence = evidence;
    if (changed_.contains(judged.action.table)) {
        broken.message += " now; a statement before this one may change that";
        broken.severity = Severity::kInfo;
        broken.risk = Risk::kLow;
        broken.confidence = "suspected";
    }
}

void LiveDatabase::check_data(const Project& project, const JudgedAction& judged,
                              LintResult& result) {
    const Action& action = judged.action;
    const bool changes = action.kind == ActionKind::kUpdate || action.kind == ActionKind::kDelete ||
                         action.kind == ActionKind::kMerge || action.kind == ActionKind::kTruncate;
    for (const TableEffect& effect : action.effects) {
        if (changes && !effect.second) {
            changed_.insert(effect.table);
        }
    }
    if (action.fresh || !tables_.contains(action.table)) {
        return;
    }
    const std::string table = sql_name(action.table);
    std::vector<Check> checks;
    const bool added = action.kind == ActionKind::kAddConstraint;
    if ((action.kind == ActionKind::kCreateIndex && action.has(kInlineUnique)) ||
        (added && (action.constraint == ConstraintKind::kUnique ||
                   action.constraint == ConstraintKind::kPrimary))) {
        check_unique(judged, checks);
    } else if (added && action.constraint == ConstraintKind::kForeign) {
        check_foreign(judged, checks);
    } else if (added && action.constraint == ConstraintKind::kCheck) {
        if (const std::string expression = inside(judged.text, "check"); !expression.empty()) {
            checks.push_back(
                {.what = fmt::format("rows of {} that break CHECK ({})", action.table, expression),
                 .sql = at_least("not (" + expression + ")", table)});
        }
    } else if (action.kind == ActionKind::kValidate) {
        check_stored(judged, checks);
    } else if (action.kind == ActionKind::kSetNotNull) {
        checks.push_back({.what = fmt::format("rows of {} without {}", action.table, action.name),
                          .sql = at_least(sql_name(action.name) + " is null", table)});
    } else if (action.kind == ActionKind::kAlterType) {
        check_type(judged, checks);
    } else if (action.kind == ActionKind::kAddColumn && action.has(kNotNull) &&
               !action.any(kHasDefault | kSerial | kIdentity | kGenerated)) {
        checks.push_back(
            {.what = fmt::format("rows of {} in which {} would be NULL", action.table, action.name),
             .sql = at_least("true", table)});
    }
    for (const Check& check : checks) {
        run_check(check, project, judged, result);
    }
}

void LiveDatabase::check_use(const Project& project, const JudgedAction& judged,
                             LintResult& result) {
    const Action& action = judged.action;
    if (action.kind == ActionKind::kDropIndex && !action.fresh) {
        const std::string scans = one_value(
            "select idx_scan from pg_stat_user_indexes where indexrelid = to_regclass($1)",
            {sql_name(action.name)});
        if (!scans.empty() && scans != "0") {
            report(rule_dropped_index_still_scanned, project, judged,
                   fmt::format("{} was scanned {} times", action.name, scans), result);
        }
    }
    if (has_statements_) {
        report_uses(project, judged, statements_, result);
    }
    if (seen_ != nullptr) {
        report_uses(project, judged, *seen_, result);
    }
}

}  // namespace howdah::migrate::lint
