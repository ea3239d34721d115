// Plan: what EXPLAIN (VERBOSE, FORMAT JSON) says of a statement, as far as findings and logs need
// it. Pure.
//
// 1. Conditions hold no literals: they go through sql::redact whole, whatever lines they have.
// 2. A text that is no plan gives an empty one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace howdah::insight::live {

// A table that is read from its first row to its last, to keep those that fit a condition.
struct FullScan {
    std::string schema, table;
    std::vector<std::string> columns;  // compared with a parameter by =, in the condition's order
    double rows_out = 0;               // the planner's estimate
};

struct Plan {
    std::string text;  // one line: "Limit (rows 1) > Seq Scan on leads (rows 3), Filter: (a = $1)"
    std::vector<FullScan> full_scans;
    bool uses_index = false;  // anywhere
};

Plan read_plan(std::string_view json);

// What is known of a statement's way to its rows, from its plan and the catalog; see
// cli/plan_reader.hpp, which asks.
struct PlanEvidence {
    bool known = false;
    std::string plan;            // one line; "" when there is no full scan worth telling
    std::string table;           // as SQL has it: "orders", "sales.orders" outside of public
    std::string column;          // as SQL has it; an index that begins with it is missing
    double rows_read = 0;        // the table's, by the catalog
    double rows_out = 0;         // the planner's estimate of those that fit
    bool missing = false;        // a full scan for few of many rows, and no index for its column
    bool partial_index = false;  // one exists whose condition a parameter may hide
};

}  // namespace howdah::insight::live
