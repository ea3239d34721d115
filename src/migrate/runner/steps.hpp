// Steps: what of a script is sent in one go. Pure.
//
//   script -> statements -> steps:   kTransaction  one or more statements between BEGIN and COMMIT
//                                    kAutocommit   one that PostgreSQL refuses there
//                                    kBackfill     one UPDATE or DELETE, run batch by batch
//
// A file is one transaction unless it says otherwise itself (BEGIN, COMMIT, goose's NO TRANSACTION)
// or holds statements that need their own. Steps are numbered from 0 and carry a hash, so that a
// rerun can tell whether what has run was edited since.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "migrate/history/project.hpp"
#include "migrate/runner/facts.hpp"

namespace howdah::migrate::runner {

struct Statement {
    std::string sql;
    std::size_t line = 1;  // in the file
    Facts facts;
};

enum class StepKind : std::uint8_t { kTransaction, kAutocommit, kBackfill };
std::string_view step_kind_name(StepKind kind);

// "-- howdah:backfill batch=5000 key=id pause_ms=100" in front of an UPDATE or DELETE.
struct BackfillHint {
    std::string key;             // columns, comma-separated; empty: the primary key
    std::int64_t batch = 0;      // rows; 0: the default
    std::int64_t pause_ms = -1;  // between batches; -1: the default
};

struct Step {
    StepKind kind = StepKind::kTransaction;
    std::string begin = "begin";  // how the transaction is opened
    std::vector<Statement> statements;
    BackfillHint hint;
    std::string hash;
};

// Sets the hash from kind and statements.
void seal_step(Step& step);

enum class TransactionScope : std::uint8_t { kFile, kStatement };

// The steps of one direction of a script. Refused, with file and line: psql meta-commands, COPY
// FROM STDIN, ROLLBACK, a transaction left open, a statement that cannot stand in the transaction
// that the file opens around it.
Result<std::vector<Step>> plan_steps(const ScriptText& script, TransactionScope scope);

}  // namespace howdah::migrate::runner
