// Statements with what was counted for them: out of a dump of pg_stat_statements (CSV with a
// header, or JSON), a running howdah's /api/queries (howdah.queries/1), or a server log (text,
// csvlog, jsonlog). Pure; any bytes are accepted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::insight {

// What a share of a statement's calls says of its caller: "User.findMany", Prisma's own tag.
struct CallerShare {
    std::string call = {};
    double calls = 0;
    double total_ms = 0;
};

struct DumpStatement {
    std::string sql = {};
    std::uint32_t line = 1;  // of the dump, where its text begins
    bool one_line = false;   // JSON: the text's own lines are none of the dump's
    double calls = 0;
    double total_ms = 0;
    std::vector<CallerShare> callers = {};  // a running howdah's only
};

// Same statements (by fingerprint) are added up; the first one's text and line stay.
std::vector<DumpStatement> read_statements_dump(std::string_view text);
std::vector<DumpStatement> read_log(std::string_view text);

}  // namespace howdah::insight
