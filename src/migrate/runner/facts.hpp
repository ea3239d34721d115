// Facts: what the runner has to know about a statement before it sends it. Pure.
//
// 1. Relations are quoted, ready for ::regclass: "users", "app"."users".
// 2. What libpg_query does not parse (newer syntax) has no changes and no locks; its first words
//    alone decide whether it may stand in a transaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::migrate::runner {

enum class Control : std::uint8_t { kNone, kBegin, kCommit, kRollback, kSavepoint };

enum class ChangeKind : std::uint8_t {
    kCreateTable,
    kCreateIndex,
    kCreateView,
    kCreateSequence,
    kCreateType,
    kCreateSchema,
    kAddColumn,
    kAddConstraint,
    kValidate,
    kAddEnumValue,
    kDropTable,
    kDropSchema,
    kDropColumn,
    kDropIndex,
    kReindex,
    kDetachConcurrently,
    kTruncate,
    kDelete,
    kUpdate,
    kSafe,   // nothing to undo: COMMENT, SELECT, SET, ANALYZE, VACUUM
    kOther,  // nothing known about how to undo it
};

struct Change {
    ChangeKind kind = ChangeKind::kOther;
    std::string relation;  // the table, view, type, schema or sequence; of an index its table
    std::string name;      // column, constraint, enum value, partition; an index, quoted
    std::string takes_index = {};  // constraint USING INDEX: the index, renamed to `name` by it
    bool concurrently = false;
    bool if_exists = false;  // IF [NOT] EXISTS, OR REPLACE: it may have been there before
    std::string search_path =
        {};  // where its names are looked up, as the file sets it; "": as given
};

// pg_locks' modes, weakest first, numbered as PostgreSQL does (src/include/storage/lockdefs.h).
enum class LockMode : std::uint8_t {
    kShareUpdateExclusive = 4,
    kShare = 5,
    kShareRowExclusive = 6,
    kExclusive = 7,
    kAccessExclusive = 8,
};
// The names in pg_locks of the modes that conflict with `mode`, as an array literal.
std::string_view conflicting_modes(LockMode mode);

struct LockWant {
    std::string relation;
    LockMode mode = LockMode::kAccessExclusive;
};

struct Facts {
    Control control = Control::kNone;
    bool parsed = false;
    bool own_transaction = false;  // PostgreSQL refuses it in a transaction block
    bool apart = false;            // needs a commit before its effect can be used: ADD VALUE
    bool copies_stdin = false;     // needs data that only psql sends
    std::string sets = {};         // the setting that it changes for the session
    std::string sets_to = {};      // search_path alone: its new value, "" where it is not told
    std::vector<Change> changes;
    std::vector<LockWant> locks;  // on tables that it names, DDL only
};

Facts facts_of(std::string_view statement);

// Statement with its literals replaced by ?, for people and logs; at most `size_max` bytes.
std::string without_literals(std::string_view statement, std::size_t size_max = 160);

}  // namespace howdah::migrate::runner
