// fetch_json: GET from a running howdah's HTTP interface, for commands that hold their result
// against what it counted. Blocks; commands only.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace howdah::cli {

// The body of `url` when the status is 200. token: sent as Authorization: Bearer; "" = none.
// Error: kUnavailable, for whatever is no such answer; it names the URL.
Result<std::string> fetch(const std::string& url, const std::string& token);

// All of /api/queries (howdah.queries/1, page by page), and the days since that howdah started.
// base: http://127.0.0.1:6433, with or without /api/queries.
struct RunningQueries {
    std::vector<std::string> pages = {};
    double days = 1;
};
Result<RunningQueries> fetch_queries(std::string base, const std::string& token);

}  // namespace howdah::cli
