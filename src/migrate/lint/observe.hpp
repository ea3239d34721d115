// Observer: what a statement really locks, reads and rewrites, watched on a live server.
//
// The statement runs in a transaction of its own that is committed or rolled back; locks come from
// pg_locks, rewrites and builds from changed file nodes, scans from the transaction's statistics.
// Statements that refuse a transaction are held up by a second session that locks one table, and
// the lock they then ask for is read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "migrate/lock.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::lint {

struct Observation {
    std::vector<TableEffect> effects;  // tables, views and partitions that existed before
};

class Observer {
  public:
    // Both to the same database; `side` watches and holds up.
    Observer(pg::Connection& main, pg::Connection& side) : main_(main), side_(side) {}

    Result<Observation> in_transaction(const std::string& statement, bool commit);
    // The lock that the statement asks for on `table`.
    Result<Lock> held_up(const std::string& statement, const std::string& table);

  private:
    struct Relation {
        std::string name;
        std::string owner;  // of an index: its table
        char kind = 'r';
        std::string file_node;
        bool valid = true;
    };
    using Relations = std::map<std::string, Relation>;  // by oid

    Result<Relations> relations();
    Result<std::map<std::string, std::int64_t>> scans();
    Result<> compare(const Relations& before, Observation& seen);

    pg::Connection& main_;
    pg::Connection& side_;
};

// Name as Schema has it, from schema and name.
std::string canonical_name(std::string_view schema, std::string_view name);

}  // namespace howdah::migrate::lint
