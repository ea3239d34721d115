// trace: runs a project's migrations on a throw-away database and holds what was observed against
// what was predicted.
#pragma once

#include <string>
#include <vector>

#include "migrate/lint/lint.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::lint {

struct TraceLine {
    std::string file = {};
    std::uint32_t line = 0;
    std::string statement = {};  // its first words
    std::string error = {};      // the server's, when it refused
    std::vector<TableEffect> predicted = {};
    std::vector<TableEffect> observed = {};
    std::vector<std::string> differences =
        {};                // "users: predicted SHARE, observed ACCESS EXCLUSIVE"
    bool held_up = false;  // ran outside a transaction, its lock read while waiting
};

struct TraceResult {
    std::vector<TraceLine> lines = {};  // judged files' statements
    std::size_t statements = 0;         // run in all
    std::size_t differing = 0;
    std::size_t failed = 0;
};

enum class TraceWhat : std::uint8_t {
    kAll,      // the whole history, on an empty database
    kPending,  // only files that are pending: the database has what the others made
};
// `conninfo`: a database that may be changed at will. Stops at the first statement that the server
// refuses in a file, goes on with the next file.
Result<TraceResult> trace(const LintInput& input, const std::string& conninfo, TraceWhat what);

// Where prediction and server may differ without either being wrong.
struct Leniency {
    bool reads_rows = false;     // a query or data change: scans are its own business
    bool new_file = false;       // TRUNCATE: a new file that is no rewrite of rows
    bool conditional = false;    // a rewrite that hangs on the time zone or an unknown type
    bool checks_body = false;    // CREATE FUNCTION looks its tables up
    bool index_lookups = false;  // foreign keys: the other table may be read through its index
};
void add_leniency(const Action& action, Leniency& leniency);

// What differs between two views of one statement, a line each.
struct Comparison {
    const std::vector<TableEffect>& predicted;
    const std::vector<TableEffect>& observed;
    Leniency lenient = {};
};
std::vector<std::string> differences(const Comparison& comparison);

std::string trace_text(const TraceResult& result, bool all);
std::string trace_json(const TraceResult& result);  // "howdah.trace/1"

}  // namespace howdah::migrate::lint
