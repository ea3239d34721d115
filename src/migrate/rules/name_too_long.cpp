// name-too-long: see the texts below, and name-too-long.cases.
#include <fmt/format.h>

#include <algorithm>

#include "migrate/build_table.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

void check(const FileView& file, Sink& sink) {
    for (const sql::ScriptStatement& statement : file.script.statements) {
        sql::Lexer lexer(std::string_view(file.script.clean).substr(0, statement.end),
                         statement.begin);
        for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
             token = lexer.next_code()) {
            const bool quoted_word = token.kind == sql::TokenKind::kQuotedWord;
            const std::size_t length = token.end - token.begin - (quoted_word ? 2 : 0);
            if ((token.kind == sql::TokenKind::kWord || quoted_word) && length > 63) {
                Report report{
                    .begin = token.begin,
                    .end = token.end,
                    .message = fmt::format("this name has {} bytes and is cut to 63", length)};
                sink.add(std::move(report));
            }
        }
    }
}

}  // namespace

const Rule rule_name_too_long{
    .name = "name-too-long",
    .title = "A name longer than 63 bytes is cut.",
    .severity = Severity::kWarning,
    .risk = Risk::kLow,
    .why =
        "PostgreSQL cuts it with a notice only; two long names can become one, and code "
        "that uses the full name finds nothing in the catalog.",
    .fix = "A shorter name.",
    .flagged =
        "CREATE INDEX "
        "a_very_long_name_that_goes_on_and_on_until_nobody_remembers_what_it_was_for ON t "
        "(a);",
    .clean = "CREATE INDEX t_a_idx ON t (a);",
    .on = true,
    .file = check,
};

}  // namespace howdah::migrate::lint
