// Action: one thing that a migration does, with its consequences, in the words of the rules.
//
// A statement makes one action, ALTER TABLE one per subcommand, DROP one per object, DO and calls
// of known functions those of their bodies. Nodes belong to the statement's tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "migrate/column_type.hpp"
#include "migrate/lock.hpp"
#include "migrate/schema.hpp"
#include "sql/tree.hpp"

namespace howdah::migrate {

enum class ActionKind : std::uint8_t {
    kOther,
    kBegin,
    kCommit,
    kRollback,
    kSavepoint,
    kSet,
    kLockTable,
    kCreateSchema,
    kDropSchema,
    kRenameSchema,
    kDropDatabase,
    kCreateTable,
    kDropTable,
    kTruncate,
    kRenameTable,
    kSetSchema,
    kAddColumn,
    kDropColumn,
    kRenameColumn,
    kAlterType,
    kSetDefault,
    kSetNotNull,
    kDropNotNull,
    kAddConstraint,
    kUseIndex,
    kValidate,
    kDropConstraint,
    kAlterConstraint,
    kAlterTable,      // any other subcommand
    kRewriteStorage,  // LOGGED, UNLOGGED, ACCESS METHOD, TABLESPACE
    kReplicaIdentity,
    kAttachPartition,
    kDetachPartition,
    kCreateIndex,
    kDropIndex,
    kReindex,
    kAlterIndex,
    kCluster,
    kVacuumFull,
    kVacuum,
    kAnalyze,
    kRefresh,
    kCreateView,
    kDropView,
    kCreateMatview,
    kCreateTrigger,
    kToggleTrigger,
    kDropTrigger,
    kAlterDomain,
    kCreateType,
    kAddEnumValue,
    kRenameEnumValue,
    kDropType,
    kCreateFunction,
    kDropFunction,
    kDropOther,
    kPolicy,
    kComment,
    kInsert,
    kUpdate,
    kDelete,
    kMerge,
    kCopy,
    kSelect,
    kExecuteUnknown,
};

// What makes ADD COLUMN (or a new constraint) more than a note in the catalog.
enum Trait : std::uint32_t {
    kVolatileDefault = 1U << 0,
    kUnknownDefault = 1U << 1,  // calls a function that nobody here knows
    kSerial = 1U << 2,
    kIdentity = 1U << 3,
    kGenerated = 1U << 4,
    kConstrainedDomain = 1U << 5,
    kNotNull = 1U << 6,
    kHasDefault = 1U << 7,
    kInlineCheck = 1U << 8,
    kInlineUnique = 1U << 9,
    kInlinePrimary = 1U << 10,
    kInlineForeign = 1U << 11,
    kConcurrently = 1U << 12,
    kIfExists = 1U << 13,  // IF [NOT] EXISTS, OR REPLACE
    kCascade = 1U << 14,
    kNotValid = 1U << 15,
    kOnly = 1U << 16,     // ON ONLY
    kNoWhere = 1U << 17,  // UPDATE, DELETE
    kSteadyUsing = 1U << 18,
    kHasUsing = 1U << 19,  // a USING that is more than the cast
    kTemporary = 1U << 20,
    kDynamic = 1U << 21,        // text put together at run time
    kProvedNotNull = 1U << 22,  // of DROP CONSTRAINT: its columns are NOT NULL, it says no more
    kSchemaOnly = 1U << 23,     // WITH NO DATA
    kBatched = 1U << 24,        // UPDATE, DELETE: marked -- howdah:backfill
    kLockTimeout = 1U << 25,    // lock_timeout is in force, and not 0
    kNewColumns = 1U << 26,     // an index or constraint over columns that this migration added
};

// Of a kSet: `other` when the setting goes back to its default, `name` when all of them do.
inline constexpr const char* kDefaultValue = "default";
inline constexpr const char* kAllSettings = "all";

struct Action {
    ActionKind kind = ActionKind::kOther;
    std::uint32_t traits = 0;
    std::size_t begin = 0;  // bytes in the file
    std::size_t end = 0;
    std::size_t statement = 0;  // which of the file's statements, from 0
    bool nested = false;        // inside a DO block or function
    bool fresh = false;         // touches only what this migration made, or temporary tables
    bool own_transaction_only = false;  // PostgreSQL refuses it in a transaction block
    std::string table = {};             // canonical
    std::string name = {};              // column, constraint, index, ... as the kind has it
    std::string other = {};             // second table, new name, function that decided, value
    ConstraintKind constraint = ConstraintKind::kCheck;
    std::vector<std::string> columns = {};
    ColumnType from = {};
    ColumnType to = {};
    TypeChange change = TypeChange::kNothing;
    std::vector<TableEffect> effects = {};
    const sql::Node* node = nullptr;                      // the statement
    const PgQuery__ColumnDef* column_def = nullptr;       // kAddColumn, kAlterType
    const PgQuery__Constraint* constraint_def = nullptr;  // kAddConstraint, kUseIndex
    std::string index_definition = {};  // kUseIndex and index kinds: "" or columns

    bool has(std::uint32_t all) const { return (traits & all) == all; }
    bool any(std::uint32_t some) const { return (traits & some) != 0; }
    Lock strongest() const;
    bool works() const;  // scans, builds or rewrites something that is not fresh
    bool rewrites() const;
    bool builds() const;
};

}  // namespace howdah::migrate
