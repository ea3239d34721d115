#include "insight/routing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sql/builtins.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::insight {
namespace {

std::string why_primary(const sql::Statement& statement) {
    if (statement.has(sql::kUnparsed)) {
        return "does not parse, so it counts as a write";
    }
    if (statement.has(sql::kWrite | sql::kDdl)) {
        return statement.tables_written.empty()
                   ? "it writes"
                   : fmt::format("it writes {}", statement.tables_written.front().name);
    }
    if (statement.has(sql::kRowLock)) {
        return "it takes locks";
    }
    if (statement.has(sql::kUnknownCode)) {
        return statement.functions.empty()
                   ? "it may run code that the text does not show"
                   : fmt::format("{}() may write", statement.functions.front().name);
    }
    if (statement.has(sql::kVolatile | sql::kSequenceState)) {
        return "it calls a volatile function";
    }
    return "it changes or needs its session's state";
}

// The first function whose answer is another one at another time.
std::string_view stable_function(const sql::Statement& statement) {
    const auto found = std::ranges::find_if(statement.functions, [](const sql::Name& function) {
        return sql::builtin_volatility(function.name) != sql::Volatility::kImmutable;
    });
    return found == statement.functions.end() ? std::string_view() : found->name;
}

}  // namespace

void add_routing(std::string_view text, Verdict& verdict) {
    const sql::StatementRef facts = sql::analyze(text);
    const sql::Statement& statement = *facts;
    verdict.fingerprint = statement.fingerprint;
    if (!statement.has(sql::kReadOnly)) {
        verdict.route = "primary";
        verdict.route_reason = why_primary(statement);
        verdict.cache_reason = "only reads are";
        return;
    }
    verdict.route = "replica";
    verdict.route_reason = "it only reads";
    if (statement.clock_literal) {
        verdict.cache_reason = "it names the current time";
    } else if (const std::string_view function = stable_function(statement); !function.empty()) {
        verdict.cache_reason = fmt::format("{}() may answer differently next time", function);
    } else if (statement.tables_read.empty()) {
        verdict.cache_reason = "it reads no table";
    } else {
        verdict.cached = true;
        verdict.cache_reason = "the same until one of its tables is written";
    }
}

}  // namespace howdah::insight
