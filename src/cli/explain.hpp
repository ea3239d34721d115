// A statement's generic plan, asked for on a connection of our own.
//
// EXPLAIN without ANALYZE, in a read-only transaction with a time limit: nothing is carried out.
// What a server says when it refuses may hold pieces of the statement: errors have its SQLSTATE
// and no words of it.
#pragma once

#include <string>

#include "insight/live/engine.hpp"
#include "pg/connection.hpp"
#include "sql/statement.hpp"

namespace howdah::cli {

class Explainer {
  public:
    // conninfo: of slow_query_explain; its database is replaced by `database`.
    static Result<Explainer> connect(const std::string& conninfo, const std::string& database);

    Result<insight::live::Plan> plan_of(const sql::Statement& statement);
    // The plan, held against the catalog: whether an index is missing.
    Result<insight::live::PlanEvidence> evidence_of(const sql::Statement& statement);
    // What it reads, by the catalog.
    Result<insight::live::ReadRelations> relations_of(const sql::Statement& statement);

  private:
    explicit Explainer(pg::Connection connection) : connection_(std::move(connection)) {}
    Result<insight::live::Plan> ask(const sql::Statement& statement);
    Result<> look_up(const insight::live::FullScan& scan, insight::live::PlanEvidence& evidence);

    pg::Connection connection_;
};

}  // namespace howdah::cli
