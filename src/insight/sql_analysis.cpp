#include "insight/sql_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "insight/routing.hpp"
#include "insight/sql_rules.hpp"
#include "insight/sql_text.hpp"
#include "sql/tokens.hpp"

namespace howdah::insight {
namespace {

constexpr double kRowsUnknown = 10'000;
constexpr double kRowsByIndex = 10;
constexpr std::size_t kQueryBytesMax = 1000;

bool is_query(const sql::Node& node) {
    switch (node.node_case) {
        case PG_QUERY__NODE__NODE_SELECT_STMT:
        case PG_QUERY__NODE__NODE_INSERT_STMT:
        case PG_QUERY__NODE__NODE_UPDATE_STMT:
        case PG_QUERY__NODE__NODE_DELETE_STMT:
        case PG_QUERY__NODE__NODE_MERGE_STMT:
            return true;
        default:
            return false;
    }
}

Operation operation_of(const sql::Node& node, const Queries& queries, const SqlOptions& options) {
    if (options.raw) {
        return Operation::kRaw;
    }
    if (node.node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        return Operation::kWrite;
    }
    const bool aggregate =
        !queries.empty() && (queries.front().aggregated || queries.front().grouped);
    return aggregate ? Operation::kAggregate : Operation::kRead;
}

// Rows that have to be read: what an index leaves, or the table.
double cost_of(const Query& query) {
    double rows = 1;
    for (std::size_t i = 0; i < query.sources.size(); ++i) {
        const Source& source = query.sources[i];
        if (source.table.empty()) {
            continue;
        }
        const Access access = access_of(query, static_cast<int>(i));
        const double all =
            source.known != nullptr ? source.known->rows.value_or(kRowsUnknown) : kRowsUnknown;
        rows += access.unique ? 1 : access.served ? std::min(all, kRowsByIndex * 10) : all;
    }
    return rows;
}

void measure(const Queries& queries, Verdict& verdict) {
    verdict.indexes_known = true;
    verdict.has_indexes = true;
    for (const Query& query : queries) {
        const auto joined = static_cast<int>(query.sources.size()) - 1;
        verdict.include_depth += std::max(joined, 0);
        for (const Predicate& predicate : query.predicates) {
            if (predicate.join || predicate.test == Test::kConstant) {
                continue;
            }
            int leaves = 0;
            for (const auto& arm : predicate.arms) {
                leaves += static_cast<int>(arm.size());
            }
            verdict.where_count += std::max(leaves, 1);
        }
        verdict.estimated_cost += cost_of(query);
        for (std::size_t i = 0; i < query.sources.size(); ++i) {
            const Access access = access_of(query, static_cast<int>(i));
            const bool table = !query.sources[i].table.empty();
            verdict.indexes_known = verdict.indexes_known && (!table || access.known);
            verdict.has_indexes = verdict.has_indexes && (!table || access.small || access.unique ||
                                                          access.served || !access.filtered);
        }
    }
    verdict.has_indexes = verdict.has_indexes && verdict.indexes_known;
}

}  // namespace

void Analysis::add(Analysis other) {
    std::ranges::move(other.findings, std::back_inserter(findings));
    std::ranges::move(other.verdicts, std::back_inserter(verdicts));
    statements += other.statements;
}

void judge_statement(const sql::Node& node, std::string_view text, const SqlJob& job,
                     Analysis& out) {
    const SqlPlace& place = job.place;
    const SqlOptions& options = job.options;
    ++out.statements;
    const std::size_t before = out.findings.size();
    const Queries queries = read_queries(node, job.schema);
    SqlJudge judge({.text = text, .place = place, .schema = job.schema, .options = options},
                   out.findings);
    for (const Query& query : queries) {
        judge.judge(query);
    }
    if (node.node_case == PG_QUERY__NODE__NODE_INSERT_STMT) {
        judge.judge_insert(*node.insert_stmt);
    }
    if (!is_query(node) || options.migration) {
        return;
    }
    const Place where = place.source.place(place.map({0, text.size()}));
    Verdict verdict{.query = std::string(text.substr(0, kQueryBytesMax)),
                    .file = where.file,
                    .line = where.line,
                    .column = where.column};
    verdict.operation = operation_of(node, queries, options);
    measure(queries, verdict);
    for (std::size_t i = before; i < out.findings.size(); ++i) {
        verdict.add(out.findings[i]);
    }
    add_routing(text, verdict);
    out.verdicts.push_back(std::move(verdict));
}

namespace {

// What cannot be parsed, each place once; a file in another database's SQL once as a whole.
class SyntaxErrors {
  public:
    SyntaxErrors(const SourceText& source, Analysis& out) : source_(source), out_(out) {}

    void add(std::size_t begin, std::string_view text, const sql::ParseError& error) {
        other_ = other_.empty() ? dialect_of(text) : other_;
        const std::size_t at = begin + error.offset;
        if (++count_ <= kErrorsMax) {
            found_.push_back(
                source_.finding(rule("syntax-error"), {at, at + 1}, {.message = error.message}));
        }
    }
    void report() {
        if (count_ == 0) {
            return;
        }
        other_ = other_.empty() ? folder_of_another(source_.file()) : other_;
        if (!other_.empty()) {
            found_.resize(1);
            found_.front().message = other_ + ": this is not PostgreSQL's SQL";
            found_.front().severity = Severity::kInfo;
        } else if (count_ > kErrorsMax) {
            found_.back().message += fmt::format("; {} more below", count_ - kErrorsMax);
        }
        std::ranges::move(found_, std::back_inserter(out_.findings));
    }

  private:
    static constexpr std::size_t kErrorsMax = 5;

    // "" unless the statement shows by a token that another database is meant.
    static std::string dialect_of(std::string_view text) {
        sql::Lexer lexer(text);
        for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
             token = lexer.next_code()) {
            if (text[token.begin] == '`') {
                return "names in backticks";
            }
            for (const std::string_view word : {"engine", "codec", "autoincrement",
                                                "auto_increment", "lowcardinality", "pragma"}) {
                if (sql::is_word(token, text, word)) {
                    return std::string(text.substr(token.begin, token.end - token.begin));
                }
            }
        }
        return {};
    }

    // "a folder called clickhouse", or "".
    static std::string folder_of_another(std::string_view path) {
        for (const std::string_view name :
             {"clickhouse", "mysql", "mariadb", "sqlite", "mssql", "sqlserver", "bigquery",
              "snowflake", "duckdb", "oracle"}) {
            const std::size_t at = path.find(name);
            const bool whole = at != std::string_view::npos && (at == 0 || path[at - 1] == '/') &&
                               path.substr(at + name.size()).starts_with('/');
            if (whole) {
                return fmt::format("a folder called {}", name);
            }
        }
        return {};
    }

    const SourceText& source_;
    Analysis& out_;
    std::vector<Finding> found_ = {};
    std::size_t count_ = 0;
    std::string other_ = {};
};

}  // namespace

void judge_script(const SourceText& source, const Schema& schema, Analysis& out) {
    const std::string clean = clean_script(source.text());
    const std::vector<sql::ScriptStatement> statements = sql::parse_script(clean);
    SyntaxErrors errors(source, out);
    SqlOptions options;
    for (const sql::ScriptStatement& statement : statements) {
        const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
        options.migration =
            options.migration ||
            (node != nullptr && (node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT ||
                                 node->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_STMT));
    }
    for (const sql::ScriptStatement& statement : statements) {
        const std::string_view text = statement.in(clean);
        const SqlPlace place{.source = source, .base = statement.begin};
        if (!statement.tree) {
            ++out.statements;
            errors.add(statement.begin, text, statement.tree.error());
        } else if (const sql::Node* node = statement.tree->first()) {
            judge_statement(*node, text, {place, schema, options}, out);
        }
    }
    errors.report();
}

void judge_text(std::string_view text, const SqlJob& job, Analysis& out) {
    const SqlPlace& place = job.place;
    const auto tree = sql::Tree::parse(text);
    if (!tree) {
        const std::size_t at = std::min(tree.error().offset, text.size());
        out.findings.push_back(place.source.finding(rule("syntax-error"), place.map({at, at + 1}),
                                                    {.message = tree.error().message}));
        ++out.statements;
        return;
    }
    for (const PgQuery__RawStmt* statement : tree->statements()) {
        if (statement->stmt != nullptr) {
            judge_statement(*statement->stmt, text, job, out);
        }
    }
}

}  // namespace howdah::insight
