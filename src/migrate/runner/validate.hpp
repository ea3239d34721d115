// Validation after a run, and the schema's fingerprint between runs.
#pragma once

#include <string>
#include <vector>

#include "base/finding.hpp"
#include "base/result.hpp"
#include "migrate/runner/plan.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::runner {

// Holds the database against what the migrations said: objects there, indexes and constraints
// valid; ANALYZEs tables that got new indexes or a backfill.
Result<std::vector<Finding>> validate_run(pg::Connection& db,
                                          const std::vector<PlannedMigration>& ran);

// The schema as lines of text, sorted, without howdah's and the host tool's own tables.
struct SchemaState {
    std::string listing;
    std::string hash;
};
Result<SchemaState> schema_state(pg::Connection& db, const std::string& host_table);

// What was recorded after the last run of this project.
Result<> record_schema(pg::Connection& db, const std::string& host_table,
                       const std::string& applied);

// A finding per changed line (at most a dozen) when the schema is not what the last run left and no
// migration explains it: `applied` names what the host tool's table holds now.
Result<std::vector<Finding>> find_drift(pg::Connection& db, const std::string& host_table,
                                        const std::string& applied);

// Line differences: "- gone", "+ new"; both texts sorted.
std::vector<std::string> line_differences(std::string_view before, std::string_view after);

}  // namespace howdah::migrate::runner
