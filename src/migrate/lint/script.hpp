// Script: one migration file made ready for PostgreSQL's parser, byte for byte in its old places.
//
// What only the host tool or psql understands is blanked or renamed in a copy of the same length,
// so that every offset is good in both: psql's backslash commands and variables, COPY data,
// Flyway's placeholders, `@schema.` of templates, Down sections of goose and dbmate. Pure; any
// bytes are accepted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/tree.hpp"

namespace howdah::migrate::lint {

enum class Tool : std::uint8_t {
    kPlain,
    kDrizzle,   // 0.x: journal
    kDrizzle1,  // 1.0: a folder per migration
    kPrisma,
    kFlyway,
    kGolangMigrate,
    kGoose,
    kDbmate,
    kSqitch,
    kGraphile,
    kDiesel,
};
std::string_view tool_name(Tool tool);

// `-- howdah-ignore rule, rule -- reason`: on the finding's line, or alone on the line before the
// statement; `-- howdah-ignore-file rule -- reason` for the file.
struct Suppression {
    std::size_t begin = 0;  // of the comment
    std::size_t end = 0;
    std::vector<std::string> rules = {};
    std::string reason = {};
    bool whole_file = false;
    bool alone = false;                          // nothing but the comment on its line
    mutable std::vector<std::string> used = {};  // those of `rules` that something was found by
};

// A psql command that runs statements which are not in the file: \i and its kind, \gexec.
struct Unseen {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string command = {};  // its first word
};

struct Script {
    std::string text;   // as it is on disk
    std::string clean;  // the same length; what PostgreSQL would be given
    std::vector<sql::ScriptStatement> statements;
    std::vector<Suppression> suppressions;
    std::vector<Unseen> unseen;
    bool no_transaction = false;  // the file asks its tool, or howdah, for none
    bool howdah_alone = false;    // -- howdah:no-transaction
    bool rewritten = false;       // `clean` is not the text: placeholders, psql commands, COPY data
    std::vector<std::size_t> line_starts;

    std::uint32_t line_of(std::size_t offset) const;    // 1-based
    std::uint32_t column_of(std::size_t offset) const;  // 1-based, in characters
    std::string_view line_text(std::uint32_t line) const;
};

// Cleans, splits, parses and reads the comments.
Script read_script(std::string text, Tool tool);
std::string clean_text(std::string_view text, Tool tool);

}  // namespace howdah::migrate::lint
