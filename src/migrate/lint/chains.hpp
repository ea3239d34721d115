// What sqitch's plan and the heads of graphile-migrate's files say. Pure. Inside module migrate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::migrate::lint {

// "name [requires] 2024-01-31T12:00:00Z Planner <mail> # note"; sqitchchanges(5).
struct SqitchChange {
    std::string name;
    std::string time;     // "" when the line has none
    std::string planner;  // "Name <mail>"
    std::uint32_t line = 0;
};
struct SqitchPlan {
    std::string project;
    std::vector<SqitchChange> changes;
    bool tagged = false;  // a tag stands behind the last change
};
SqitchPlan read_sqitch_plan(std::string_view text);

// The head of a committed migration, "--! Key: value" lines, and the rest.
struct GraphileFile {
    std::string previous;  // "" for the first
    std::string hash;
    std::string message;
    std::string_view body;
    std::uint32_t previous_line = 0;
    std::uint32_t hash_line = 0;
    bool allows_invalid_hash = false;
};
GraphileFile read_graphile_file(std::string_view text);
// "sha1:..." over the hash before and the body, both trimmed.
std::string graphile_hash(std::string_view body, std::string_view previous);

}  // namespace howdah::migrate::lint
