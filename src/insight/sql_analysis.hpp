// analyze_sql: statements in, findings and verdicts out. Pure; one thread a call.
//
// A statement that does not parse is one finding and costs only itself.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "insight/schema.hpp"
#include "insight/source_text.hpp"
#include "insight/verdict.hpp"

namespace howdah::insight {

// Where a statement's bytes stand in the file that is reported: the same place for a SQL file,
// pieced together for SQL inside code.
struct SqlPlace {
    const SourceText& source;
    std::function<Range(Range)> in_file = nullptr;  // nullptr: offset by `base`
    std::size_t base = 0;

    Range map(Range range) const {
        return in_file ? in_file(range) : Range{range.begin + base, range.end + base};
    }
};

struct SqlOptions {
    bool raw = false;        // inside code: base score 15
    bool migration = false;  // a file that defines tables: its INSERTs are seeds
};

struct Analysis {
    std::vector<Finding> findings = {};
    std::vector<Verdict> verdicts = {};
    std::size_t statements = 0;

    void add(Analysis other);
};

// What every statement of a text is judged with.
struct SqlJob {
    const SqlPlace& place;
    const Schema& schema;
    SqlOptions options = {};
};

// Judges one statement's tree; `text` is what was parsed.
void judge_statement(const sql::Node& node, std::string_view text, const SqlJob& job,
                     Analysis& out);
// A whole script, split at semicolons.
void judge_script(const SourceText& source, const Schema& schema, Analysis& out);
// Statements from code or a dump.
void judge_text(std::string_view text, const SqlJob& job, Analysis& out);

}  // namespace howdah::insight
