// Statement: what howdah knows of a text from the text alone. Immutable once made, shared by count.
//
// 1. A fact is a property of the text's shape (shape.hpp): two texts of one shape have equal facts.
//    Where a literal decides, the text gets an entry of its own or the union of what may be.
// 2. Effects err on one side. kReadOnly is only there when nothing in the text speaks against it;
//    every other bit is there as soon as something may. What does not parse is
//    kUnparsed | kUnknownCode | kWrite.
// 3. No literal is kept: not in `normalized`, not in a name.
//
// What a text cannot tell, and the catalog has to (proxy/hidden_code.hpp asks it): views and rules
// that hide functions, triggers, defaults, index expressions, casts and operators of users (only
// OPERATOR(schema.op) is seen here), user functions that overload a built-in name with better
// matching argument types, column notation for a function call (`row.f`), and a search_path whose
// value came as a bind parameter and names pg_temp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace howdah::sql {

// What running a text may do to its session, or means for the proxy. A text of several statements
// has the union; kReadOnly, which is a promise, only if each statement has it.
enum Effect : std::uint32_t {
    kEffectNone = 0,
    kBegin = 1U << 0,               // BEGIN, START TRANSACTION, COMMIT or ROLLBACK AND CHAIN
    kCommit = 1U << 1,              // COMMIT, END
    kRollback = 1U << 2,            // ROLLBACK, ABORT
    kSavepoint = 1U << 3,           // SAVEPOINT, RELEASE, ROLLBACK TO
    kPrepareTransaction = 1U << 4,  // PREPARE TRANSACTION
    kSetSession = 1U << 5,  // changes a session's parameter if committed: SET, RESET, set_config
    kSetLocal = 1U << 6,  // ends with the transaction: SET LOCAL, SET TRANSACTION, SET CONSTRAINTS
    kListen = 1U << 7,
    kUnlisten = 1U << 8,
    kNotify = 1U << 9,
    kTempObject = 1U << 10,    // makes or names something in pg_temp (not ON COMMIT DROP tables)
    kAdvisoryLock = 1U << 11,  // takes session-level advisory locks
    kHoldCursor = 1U << 12,    // DECLARE ... WITH HOLD
    kSqlPrepare = 1U << 13,
    kSqlExecute = 1U << 14,
    kSqlDeallocate = 1U << 15,
    kSqlDeallocateAll = 1U << 16,
    kDiscardAll = 1U << 17,
    kDiscardOther = 1U << 18,   // DISCARD TEMP, PLANS, SEQUENCES
    kSequenceState = 1U << 19,  // currval, lastval: needs the session that called nextval
    kUnknownCode = 1U << 20,    // DO, CALL, LOAD, a function that is not known: may do anything
    // May end a pin: DROP, CLOSE, UNLISTEN, DEALLOCATE, DISCARD, pg_advisory_unlock.
    kMayClean = 1U << 21,
    kCopyIn = 1U << 22,    // COPY ... FROM STDIN
    kCopyOut = 1U << 23,   // COPY ... TO STDOUT
    kWrite = 1U << 24,     // changes data or anything outside the session
    kReadOnly = 1U << 25,  // a read with immutable or stable built-ins only, and no locks
    kDdl = 1U << 26,
    kUnparsed = 1U << 27,
    kMultiple = 1U << 28,  // several statements
    kVolatile = 1U << 29,  // calls a volatile built-in (random(), clock_timestamp(), nextval())
    kRowLock = 1U << 30,   // FOR UPDATE, FOR SHARE, LOCK TABLE, transaction-level advisory locks
    kCreateOnCommitDrop = 1U << 31,  // temporary table that is gone with the transaction
};

enum class StatementKind : std::uint8_t {
    kEmpty,
    kSelect,
    kInsert,
    kUpdate,
    kDelete,
    kMerge,
    kCopy,
    kExplain,
    kShow,
    kSet,
    kTransaction,
    kPrepared,  // PREPARE, EXECUTE, DEALLOCATE
    kCursor,    // DECLARE, FETCH, MOVE, CLOSE
    kDdl,
    kOther,
    kUnparsed,
};

// A relation or function as the text names it; schema empty where it is not given.
struct Name {
    std::string schema;
    std::string name;
    auto operator<=>(const Name&) const = default;
};

struct Statement {
    // libpg_query's; mixed with a hash of the text for DO, which it all takes for one; a hash of
    // `normalized` where the text does not parse. Literals do not count: what a function does with
    // its arguments may differ between two calls of one fingerprint.
    std::uint64_t fingerprint = 0;
    std::uint32_t effects = 0;
    // PREPARE: what each EXECUTE of it does. 0 otherwise.
    std::uint32_t deferred_effects = 0;
    std::uint16_t statement_count = 0;              // saturates at 65,535
    StatementKind kind = StatementKind::kUnparsed;  // of the first statement
    bool clock_literal = false;  // has a literal 'now', 'today', 'tomorrow' or 'yesterday'
    // = ANY($1) or IN (list): one fingerprint with `= $1` in libpg_query, but not one query.
    bool has_list = false;
    std::uint16_t params_max = 0;      // highest $n
    std::string normalized;            // literals as $n, comments gone, white space single
    std::vector<Name> tables_read;     // sorted, each once; WITH names are no tables
    std::vector<Name> tables_written;  // sorted, each once; TRUNCATE, COPY FROM and DDL included
    std::vector<Name> functions;       // sorted, each once

    [[nodiscard]] bool has(std::uint32_t bits) const { return (effects & bits) != 0; }
    // What statistics are kept by: `id = $1` and `id = ANY($1)` have one fingerprint, but two keys.
    [[nodiscard]] std::uint64_t key() const {
        return has_list ? fingerprint ^ 0x9e3779b97f4a7c15ULL : fingerprint;
    }
    // What this occupies, strings included; for the cache's limit.
    [[nodiscard]] std::size_t bytes() const;

  private:
    friend class StatementRef;
    mutable std::atomic<std::uint32_t> references_{0};
};

// "read_only copy_out": for people, logs and tests.
std::string effect_names(std::uint32_t effects);

// Keeps a Statement alive, on any thread. What StatementCache::analyze returns is borrowed until
// the next call; whoever needs it longer makes one of these (two atomic adds in all, about 10 ns).
class StatementRef {
  public:
    StatementRef() = default;
    explicit StatementRef(const Statement* statement) : statement_(statement) {
        if (statement_ != nullptr) {
            statement_->references_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    StatementRef(const StatementRef& other) : StatementRef(other.statement_) {}
    StatementRef(StatementRef&& other) noexcept
        : statement_(std::exchange(other.statement_, nullptr)) {}
    StatementRef& operator=(StatementRef other) noexcept {
        std::swap(statement_, other.statement_);
        return *this;
    }
    ~StatementRef() {
        if (statement_ != nullptr &&
            statement_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            delete statement_;
        }
    }
    const Statement* get() const { return statement_; }
    const Statement& operator*() const { return *statement_; }
    const Statement* operator->() const { return statement_; }
    explicit operator bool() const { return statement_ != nullptr; }

  private:
    const Statement* statement_ = nullptr;
};

}  // namespace howdah::sql
