#include "pg/connection.hpp"

#include <fmt/format.h>

#include <poll.h>

#include <charconv>
#include <utility>

#include "base/assert.hpp"
#include "pg/conninfo.hpp"
#include "pg/libpq.hpp"

namespace howdah::pg {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Milliseconds kCancelGrace{5'000};  // from a cancel to the answer's end
constexpr std::size_t kNoticesMax = 1'000;   // per connection, between two take_notices()

std::string trimmed(const char* text) {
    std::string_view view = text != nullptr ? text : "";
    while (!view.empty() && (view.back() == '\n' || view.back() == ' ')) {
        view.remove_suffix(1);
    }
    return std::string(view);
}

std::string field(const PGresult* result, int code) {
    return trimmed(libpq().PQresultErrorField(result, code));
}

struct Deadline {
    explicit Deadline(Milliseconds after)
        : none(after == kNoDeadline), at(none ? Clock::time_point() : Clock::now() + after) {}
    bool passed() const { return !none && Clock::now() >= at; }
    int poll_ms() const {
        if (none) {
            return -1;
        }
        const auto left = std::chrono::ceil<Milliseconds>(at - Clock::now()).count();
        return left < 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
    }
    bool none;
    Clock::time_point at;
};

// Waits for the socket; false when the deadline passed first.
bool wait_socket(int socket, short events, const Deadline& deadline) {
    pollfd entry{.fd = socket, .events = events, .revents = 0};
    while (!deadline.passed()) {
        const int ready = ::poll(&entry, 1, deadline.poll_ms());
        if (ready > 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result) {
    ASSERT(result != nullptr);
}
void Rows::Clear::operator()(pg_result* result) const {
    libpq().PQclear(result);
}
std::size_t Rows::size() const {
    return static_cast<std::size_t>(libpq().PQntuples(result_.get()));
}
std::size_t Rows::columns() const {
    return static_cast<std::size_t>(libpq().PQnfields(result_.get()));
}

std::string_view Rows::column_name(std::size_t column) const {
    ASSERT(column < columns());
    return libpq().PQfname(result_.get(), static_cast<int>(column));
}

bool Rows::is_null(std::size_t row, std::size_t column) const {
    ASSERT(row < size() && column < columns());
    return libpq().PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) == 1;
}

std::string_view Rows::text(std::size_t row, std::size_t column) const {
    ASSERT(row < size() && column < columns());
    const int r = static_cast<int>(row);
    const int c = static_cast<int>(column);
    return {libpq().PQgetvalue(result_.get(), r, c),
            static_cast<std::size_t>(libpq().PQgetlength(result_.get(), r, c))};
}

std::int64_t Rows::integer(std::size_t row, std::size_t column, std::int64_t otherwise) const {
    const std::string_view value = text(row, column);
    std::int64_t number = otherwise;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
    return read.ec == std::errc() ? number : otherwise;
}

double Rows::number(std::size_t row, std::size_t column, double otherwise) const {
    const std::string_view value = text(row, column);
    double number = otherwise;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
    return read.ec == std::errc() ? number : otherwise;
}

bool Rows::boolean(std::size_t row, std::size_t column) const {
    return text(row, column) == "t";
}

std::uint64_t Rows::affected() const {
    const std::string_view value = libpq().PQcmdTuples(result_.get());
    std::uint64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

std::string_view Rows::tag() const {
    return libpq().PQcmdStatus(result_.get());
}

void Canceller::Free::operator()(pg_cancel* handle) const {
    libpq().PQfreeCancel(handle);
}

void Canceller::cancel() const {
    char error[256];
    if (handle_) {
        libpq().PQcancel(handle_.get(), error, sizeof error);
    }
}

struct Connection::State {
    explicit State(PGconn* opened) : conn(opened) {}
    ~State() { libpq().PQfinish(conn); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Result<> flush(const Deadline& deadline);
    Result<PGresult*> next_result(const Deadline& deadline);
    Result<Rows> collect(const Deadline& deadline);
    Result<Rows> collect_or_cancel(const Deadline& deadline);
    Result<> send(const std::string& sql, const Params& params);
    Error server_error(const PGresult* result);
    Error lost();

    PGconn* conn;
    Milliseconds deadline{30'000};
    std::vector<Notice> notices;
    std::size_t error_position = 0;
    std::string error_context;
};

namespace {

void receive_notice(void* argument, const PGresult* result) {
    auto& notices = *static_cast<std::vector<Notice>*>(argument);
    if (notices.size() < kNoticesMax) {
        notices.push_back({.severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED),
                           .message = field(result, PG_DIAG_MESSAGE_PRIMARY)});
    }
}

Result<> finish_connecting(PGconn* conn, const Deadline& deadline) {
    for (PostgresPollingStatusType status = PGRES_POLLING_WRITING;;
         status = libpq().PQconnectPoll(conn)) {
        if (status == PGRES_POLLING_OK) {
            return {};
        }
        if (status == PGRES_POLLING_FAILED) {
            return fail(Error(ErrorCode::kUnavailable, field(nullptr, PG_DIAG_SQLSTATE),
                              trimmed(libpq().PQerrorMessage(conn)),
                              "check host, port, user and database; PG* variables and ~/.pgpass "
                              "count as they do for psql"));
        }
        const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_socket(libpq().PQsocket(conn), events, deadline)) {
            return fail(Error(
                ErrorCode::kUnavailable, "",
                fmt::format("no connection to {} in time",
                            libpq().PQhost(conn) != nullptr ? libpq().PQhost(conn) : "the server"),
                "is the server up, and reachable from here?"));
        }
    }
}

}  // namespace

Result<Connection> Connection::connect(const Target& target) {
    TRY_VOID(load_libpq());
    TRY_VOID(check_conninfo(target.conninfo));
    const char* const keywords[] = {"dbname", "fallback_application_name", "client_encoding",
                                    nullptr};
    const char* const values[] = {target.conninfo.c_str(), target.application_name.c_str(), "UTF8",
                                  nullptr};
    PGconn* conn = libpq().PQconnectStartParams(keywords, values, 1);
    if (conn == nullptr) {
        return fail(ErrorCode::kInternal, "libpq is out of memory");
    }
    auto state = std::make_unique<State>(conn);
    if (libpq().PQstatus(conn) == CONNECTION_BAD) {
        return fail(Error(ErrorCode::kUnavailable, "", trimmed(libpq().PQerrorMessage(conn)),
                          "a connection is given as a URI (postgresql://user@host/db), as keywords "
                          "(host=... dbname=...) or by PG* variables"));
    }
    libpq().PQsetNoticeReceiver(conn, receive_notice, &state->notices);
    TRY_VOID(finish_connecting(conn, Deadline(target.connect_ms_max)));
    libpq().PQsetnonblocking(conn, 1);
    return Connection(std::move(state));
}

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void Connection::set_deadline(Milliseconds deadline) {
    state_->deadline = deadline;
}

Error Connection::State::lost() {
    std::string message = trimmed(libpq().PQerrorMessage(conn));
    return {ErrorCode::kUnavailable, "08006",
            message.empty() ? "the connection to the server was lost" : std::move(message), ""};
}

Error Connection::State::server_error(const PGresult* result) {
    const std::string position = field(result, PG_DIAG_STATEMENT_POSITION);
    error_position = 0;
    std::from_chars(position.data(), position.data() + position.size(), error_position);
    error_context = field(result, PG_DIAG_CONTEXT);
    std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty()) {
        message += " (" + detail + ")";
    }
    const std::string state = field(result, PG_DIAG_SQLSTATE);
    if (state.empty()) {
        return lost();
    }
    return {ErrorCode::kServer, state, std::move(message), field(result, PG_DIAG_MESSAGE_HINT)};
}

Result<> Connection::State::flush(const Deadline& deadline_at) {
    for (;;) {
        const int left = libpq().PQflush(conn);
        if (left == 0) {
            return {};
        }
        if (left < 0) {
            return fail(lost());
        }
        if (!wait_socket(libpq().PQsocket(conn), POLLIN | POLLOUT, deadline_at)) {
            return fail(Error(ErrorCode::kTimeout, "57014", "the server takes no more data", ""));
        }
        if (libpq().PQconsumeInput(conn) == 0) {
            return fail(lost());
        }
    }
}

// The next result, nullptr at the end of the answer.
Result<PGresult*> Connection::State::next_result(const Deadline& deadline_at) {
    TRY_VOID(flush(deadline_at));
    while (libpq().PQisBusy(conn) == 1) {
        if (!wait_socket(libpq().PQsocket(conn), POLLIN, deadline_at)) {
            return fail(Error(ErrorCode::kTimeout, "57014", "no answer before the deadline", ""));
        }
        if (libpq().PQconsumeInput(conn) == 0) {
            return fail(lost());
        }
    }
    return libpq().PQgetResult(conn);
}

// Reads the whole answer; the last statement's rows, or the first error.
Result<Rows> Connection::State::collect(const Deadline& deadline_at) {
    std::optional<Rows> rows;
    std::optional<Error> error;
    for (;;) {
        TRY(PGresult * result, next_result(deadline_at));
        if (result == nullptr) {
            break;
        }
        Rows owner(result);
        const ExecStatusType status = libpq().PQresultStatus(result);
        if (status == PGRES_COPY_IN) {
            libpq().PQputCopyEnd(conn, "COPY FROM STDIN has no data here");
        } else if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            char* chunk = nullptr;
            while (libpq().PQgetCopyData(conn, &chunk, 0) > 0) {
                libpq().PQfreemem(chunk);
            }
        } else if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
            if (!error) {
                error = server_error(result);
            }
        } else {
            rows.emplace(std::move(owner));
        }
        if (libpq().PQstatus(conn) == CONNECTION_BAD) {
            return fail(error && error->code == ErrorCode::kServer ? *error : lost());
        }
    }
    if (error) {
        return fail(std::move(*error));
    }
    if (!rows) {
        return fail(lost());
    }
    return std::move(*rows);
}

Result<Rows> Connection::State::collect_or_cancel(const Deadline& deadline_at) {
    Result<Rows> rows = collect(deadline_at);
    if (rows || rows.error().code != ErrorCode::kTimeout) {
        return rows;
    }
    Canceller(libpq().PQgetCancel(conn)).cancel();
    if (const auto rest = collect(Deadline(kCancelGrace));
        !rest && rest.error().code == ErrorCode::kTimeout) {
        libpq().PQfinish(std::exchange(conn, nullptr));
    }
    return rows;
}

Result<> Connection::State::send(const std::string& sql, const Params& params) {
    if (conn == nullptr || libpq().PQstatus(conn) == CONNECTION_BAD) {
        return fail(Error(ErrorCode::kUnavailable, "08003", "the connection is closed", ""));
    }
    if (sql.find('\0') != std::string::npos) {
        return fail(ErrorCode::kInvalidInput, "NUL byte in the SQL text");
    }
    error_position = 0;
    error_context.clear();
    int sent = 0;
    if (params.empty()) {
        sent = libpq().PQsendQuery(conn, sql.c_str());
    } else {
        std::vector<const char*> values;
        values.reserve(params.size());
        for (const auto& value : params) {
            values.push_back(value ? value->c_str() : nullptr);
        }
        sent = libpq().PQsendQueryParams(conn, sql.c_str(), static_cast<int>(values.size()),
                                         nullptr, values.data(), nullptr, nullptr, 0);
    }
    if (sent == 0) {
        return fail(lost());
    }
    return {};
}

Result<Rows> Connection::query(const std::string& sql, const Params& params) {
    return query(sql, params, state_->deadline);
}

Result<Rows> Connection::query(const std::string& sql, const Params& params,
                               Milliseconds deadline) {
    TRY_VOID(state_->send(sql, params));
    return state_->collect_or_cancel(Deadline(deadline));
}

Result<> Connection::execute(const std::string& sql, const Params& params) {
    return execute(sql, params, state_->deadline);
}

Result<> Connection::execute(const std::string& sql, const Params& params, Milliseconds deadline) {
    TRY_VOID(query(sql, params, deadline));
    return {};
}

Result<std::uint64_t> Connection::copy_in(const std::string& sql,
                                          const std::function<bool(std::string&)>& next) {
    TRY_VOID(state_->send(sql, {}));
    TRY(PGresult * started, state_->next_result(Deadline(state_->deadline)));
    const Rows owner(started);
    if (libpq().PQresultStatus(started) != PGRES_COPY_IN) {
        Error error = libpq().PQresultStatus(started) == PGRES_FATAL_ERROR
                          ? state_->server_error(started)
                          : Error(ErrorCode::kInvalidInput, "the statement is no COPY FROM STDIN");
        (void)state_->collect_or_cancel(Deadline(state_->deadline));
        return fail(std::move(error));
    }
    std::string chunk;
    while (next(chunk)) {
        if (libpq().PQputCopyData(state_->conn, chunk.data(), static_cast<int>(chunk.size())) < 0) {
            break;  // the server has ended the COPY: its error is the answer
        }
        TRY_VOID(state_->flush(Deadline(state_->deadline)));
        chunk.clear();
    }
    libpq().PQputCopyEnd(state_->conn, nullptr);
    TRY(const Rows rows, state_->collect_or_cancel(Deadline(state_->deadline)));
    return rows.affected();
}

Result<std::uint64_t> Connection::copy_out(const std::string& sql,
                                           const std::function<void(std::string_view)>& take) {
    TRY_VOID(state_->send(sql, {}));
    TRY(PGresult * started, state_->next_result(Deadline(state_->deadline)));
    const Rows owner(started);
    if (libpq().PQresultStatus(started) != PGRES_COPY_OUT) {
        Error error = libpq().PQresultStatus(started) == PGRES_FATAL_ERROR
                          ? state_->server_error(started)
                          : Error(ErrorCode::kInvalidInput, "the statement is no COPY TO STDOUT");
        (void)state_->collect_or_cancel(Deadline(state_->deadline));
        return fail(std::move(error));
    }
    for (;;) {
        char* chunk = nullptr;
        const int size = libpq().PQgetCopyData(state_->conn, &chunk, 1);
        if (size > 0) {
            take({chunk, static_cast<std::size_t>(size)});
            libpq().PQfreemem(chunk);
        } else if (size < 0) {
            break;  // the end, or an error that collect() reads
        } else if (!wait_socket(libpq().PQsocket(state_->conn), POLLIN,
                                Deadline(state_->deadline))) {
            canceller().cancel();
            (void)state_->collect_or_cancel(Deadline(kCancelGrace));
            return fail(ErrorCode::kTimeout, "COPY sends nothing more");
        } else if (libpq().PQconsumeInput(state_->conn) == 0) {
            return fail(state_->lost());
        }
    }
    TRY(const Rows rows, state_->collect_or_cancel(Deadline(state_->deadline)));
    return rows.affected();
}

Canceller Connection::canceller() const {
    return Canceller(libpq().PQgetCancel(state_->conn));
}

bool Connection::is_open() const {
    return state_->conn != nullptr && libpq().PQstatus(state_->conn) == CONNECTION_OK;
}

TransactionState Connection::transaction_state() const {
    switch (libpq().PQtransactionStatus(state_->conn)) {
        case PQTRANS_IDLE:
            return TransactionState::kIdle;
        case PQTRANS_ACTIVE:
            return TransactionState::kActive;
        case PQTRANS_INTRANS:
            return TransactionState::kOpen;
        case PQTRANS_INERROR:
            return TransactionState::kFailed;
        case PQTRANS_UNKNOWN:
            break;
    }
    return TransactionState::kUnknown;
}

int Connection::backend_pid() const {
    return libpq().PQbackendPID(state_->conn);
}
int Connection::server_version() const {
    return libpq().PQserverVersion(state_->conn);
}
std::string Connection::host() const {
    return trimmed(libpq().PQhost(state_->conn));
}
std::string Connection::database() const {
    return trimmed(libpq().PQdb(state_->conn));
}
std::string Connection::user() const {
    return trimmed(libpq().PQuser(state_->conn));
}

std::string Connection::parameter(const char* name) const {
    return trimmed(libpq().PQparameterStatus(state_->conn, name));
}

std::vector<Notice> Connection::take_notices() {
    return std::exchange(state_->notices, {});
}
std::size_t Connection::error_position() const {
    return state_->error_position;
}
const std::string& Connection::error_context() const {
    return state_->error_context;
}

Result<Transaction> Transaction::begin(Connection& connection, const std::string& how) {
    TRY_VOID(connection.execute(how));
    return Transaction(connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
    if (connection_ != nullptr && connection_->is_open()) {
        (void)connection_->execute("rollback");
    }
}

Result<> Transaction::commit() {
    return std::exchange(connection_, nullptr)->execute("commit");
}

Result<> Transaction::commit(Milliseconds deadline) {
    return std::exchange(connection_, nullptr)->execute("commit", {}, deadline);
}

Result<> Transaction::rollback() {
    return std::exchange(connection_, nullptr)->execute("rollback");
}

std::string quoted_name(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) {
        quoted.append(c == '"' ? 2 : 1, c);
    }
    return quoted += '"';
}

std::string quoted_literal(std::string_view value) {
    std::string quoted = value.find('\\') == std::string_view::npos ? "'" : "E'";
    for (const char c : value) {
        quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
    }
    return quoted += '\'';
}

}  // namespace howdah::pg
