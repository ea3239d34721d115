// What rules want to know of a statement beside sql's facts, read off its normalized text. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sql/statement.hpp"

namespace howdah::insight::live {

bool has_limit(const sql::Statement& statement);
// The parameter behind OFFSET, from 0; nullopt: no OFFSET, or none that is a parameter.
std::optional<std::size_t> offset_slot(const sql::Statement& statement);
bool has_offset(const sql::Statement& statement);
bool selects_star(const sql::Statement& statement);
// Only tables of the system, or none at all: ORMs at start-up, health checks.
bool is_housekeeping(const sql::Statement& statement);
bool skips_locked(const sql::Statement& statement);
// The name of output column `column` (from 0), "column 3" where the text does not say.
std::string output_name(const sql::Statement& statement, std::size_t column);
// The column that parameter `slot` (from 0) is compared with, "" where that does not show.
std::string compared_column(const sql::Statement& statement, std::size_t slot);
// The first table read or written, "" for none.
std::string main_table(const sql::Statement& statement);
// At most `max` bytes of the text, cut at a character, "..." behind what was cut.
std::string short_text(const sql::Statement& statement, std::size_t max = 300);

}  // namespace howdah::insight::live
