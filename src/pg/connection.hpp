// Connection: the control plane's client of PostgreSQL, libpq made safe.
//
// One owner, one thread; a Canceller alone may be used from another. Blocking, with a deadline on
// everything: connecting, each query, COPY. Not for the data plane (that is module `server`).
//
// 1. A Connection is usable after a failed query: the answer is always read to its end. Where that
//    does not happen in time after a cancel, the connection closes itself (is_open() is false).
// 2. What the server refuses is ErrorCode::kServer with its SQLSTATE; what never arrives is
//    kUnavailable (connection) or kTimeout (deadline). Passwords are in no message.
// 3. Values travel as text. A query with parameters is one statement; one without may hold many.
//
// Where to connect is what psql takes: a URI, keywords, a database's name or nothing, completed by
// the PG* variables, the service file and ~/.pgpass (PostgreSQL manual 34.1).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

struct pg_result;
struct pg_cancel;

namespace howdah::pg {

using Milliseconds = std::chrono::milliseconds;
inline constexpr Milliseconds kNoDeadline{0};

// The rows of one statement, and what it did. Row and column count from 0 and must exist.
class Rows {
  public:
    explicit Rows(pg_result* result);

    std::size_t size() const;
    std::size_t columns() const;
    std::string_view column_name(std::size_t column) const;
    bool is_null(std::size_t row, std::size_t column) const;
    std::string_view text(std::size_t row, std::size_t column) const;  // "" for NULL
    std::string string(std::size_t row, std::size_t column) const {
        return std::string(text(row, column));
    }
    std::int64_t integer(std::size_t row, std::size_t column, std::int64_t otherwise = 0) const;
    double number(std::size_t row, std::size_t column, double otherwise = 0) const;
    bool boolean(std::size_t row, std::size_t column) const;
    std::uint64_t affected() const;  // rows that an INSERT, UPDATE, DELETE, MERGE touched
    std::string_view tag() const;    // "UPDATE 3"

  private:
    struct Clear {
        void operator()(pg_result* result) const;
    };
    std::unique_ptr<pg_result, Clear> result_;
};

// Parameters $1, $2, ... as text; nullopt is NULL.
using Params = std::vector<std::optional<std::string>>;

struct Notice {
    std::string severity;  // "NOTICE", "WARNING"
    std::string message;
};

struct Target {
    std::string conninfo;  // URI, keywords, a database's name or empty
    std::string application_name = "howdah";
    Milliseconds connect_ms_max{10'000};
};

// Asks the server to stop what a connection is running. Any thread.
class Canceller {
  public:
    explicit Canceller(pg_cancel* handle) : handle_(handle) {}
    void cancel() const;

  private:
    struct Free {
        void operator()(pg_cancel* handle) const;
    };
    std::unique_ptr<pg_cancel, Free> handle_;
};

enum class TransactionState : std::uint8_t { kIdle, kActive, kOpen, kFailed, kUnknown };

class Connection {
  public:
    static Result<Connection> connect(const Target& target);

    Connection(Connection&&) noexcept;
    Connection& operator=(Connection&&) noexcept;
    ~Connection();

    // Deadline for calls that give none; 30 s unless told.
    void set_deadline(Milliseconds deadline);

    // One statement with parameters, or any number without (the last one's rows are returned).
    Result<Rows> query(const std::string& sql, const Params& params = {});
    Result<Rows> query(const std::string& sql, const Params& params, Milliseconds deadline);
    // The same where rows do not matter.
    Result<> execute(const std::string& sql, const Params& params = {});
    Result<> execute(const std::string& sql, const Params& params, Milliseconds deadline);

    // COPY ... FROM STDIN: `next` fills the chunk and returns false at the end. Rows copied.
    Result<std::uint64_t> copy_in(const std::string& sql,
                                  const std::function<bool(std::string&)>& next);
    // COPY ... TO STDOUT: `take` gets each chunk. Rows copied.
    Result<std::uint64_t> copy_out(const std::string& sql,
                                   const std::function<void(std::string_view)>& take);

    Canceller canceller() const;
    bool is_open() const;
    TransactionState transaction_state() const;
    int backend_pid() const;     // as told at start-up; a pooler tells its own
    int server_version() const;  // 150020
    std::string host() const;    // of the server reached: name, address or socket folder
    std::string database() const;
    std::string user() const;
    std::string parameter(const char* name) const;  // ParameterStatus; empty = not sent
    // Notices since the last call.
    std::vector<Notice> take_notices();
    // 1-based character in the query text that the last server error pointed at; 0 = none.
    std::size_t error_position() const;
    // CONTEXT of the last server error (which function, which line), or empty.
    const std::string& error_context() const;

  private:
    struct State;
    explicit Connection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// BEGIN ... COMMIT as a scope: rolls back when it is left without commit().
class Transaction {
  public:
    static Result<Transaction> begin(Connection& connection, const std::string& how = "begin");
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    Result<> commit();
    Result<> commit(Milliseconds deadline);
    Result<> rollback();

  private:
    explicit Transaction(Connection& connection) : connection_(&connection) {}
    Connection* connection_;
};

// Double-quotes a name always, a dotted one as one name: "a.b" -> "\"a.b\"".
std::string quoted_name(std::string_view name);
// 'value' with quotes doubled; E'' where it holds a backslash.
std::string quoted_literal(std::string_view value);
// The conninfo as PG* variables for pg_dump, pg_restore and psql: passwords stay off their command
// lines. Only what the conninfo says itself.
Result<std::vector<std::pair<std::string, std::string>>> as_environment(
    const std::string& conninfo);
// A conninfo's password replaced by "***", for messages and records.
std::string without_password(std::string_view conninfo);

}  // namespace howdah::pg
