// What a SQL file holds that PostgreSQL's parser does not know: psql's commands, COPY data, a byte
// order mark. Inside module insight.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "insight/source_text.hpp"

namespace howdah::insight {

// The same bytes at the same places, with spaces for what is not SQL.
std::string clean_script(std::string_view text);
// Comments of a SQL text.
std::vector<Range> sql_comments(std::string_view text);

}  // namespace howdah::insight
