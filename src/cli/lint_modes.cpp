#include "cli/lint_modes.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/counted.hpp"
#include "cli/exit_status.hpp"
#include "migrate/deploy/command.hpp"
#include "migrate/lint/fix.hpp"
#include "migrate/lint/scratch_server.hpp"
#include "migrate/lint/trace.hpp"
#include "pg/connection.hpp"
#include "pg/conninfo.hpp"

namespace howdah::cli {
namespace {

namespace ml = migrate::lint;

// A database of our own on the server given; dropped when it is left.
class ScratchDatabase {
  public:
    static Result<ScratchDatabase> create(const std::string& conninfo) {
        TRY(pg::Connection connection, pg::Connection::connect({.conninfo = conninfo}));
        const std::string name =
            fmt::format("howdah_trace_{}_{}", getpid(), connection.backend_pid());
        TRY_VOID(
            connection.execute("create database " + pg::quoted_name(name) + " template template0"));
        return ScratchDatabase(std::move(connection), name);
    }
    ScratchDatabase(ScratchDatabase&& other) noexcept
        : connection_(std::move(other.connection_)), name_(std::exchange(other.name_, {})) {}
    ScratchDatabase& operator=(ScratchDatabase&&) = delete;
    ~ScratchDatabase() {
        if (!name_.empty()) {
            (void)connection_.execute("drop database if exists " + pg::quoted_name(name_) +
                                      " with (force)");
        }
    }
    const std::string& name() const { return name_; }

  private:
    ScratchDatabase(pg::Connection connection, std::string name)
        : connection_(std::move(connection)), name_(std::move(name)) {}
    pg::Connection connection_;
    std::string name_;
};

// A program with the connection in its environment.
Result<> run_program(std::vector<std::string> program, const std::string& conninfo) {
    TRY(migrate::runner::Environment environment, pg::as_environment(conninfo));
    const std::string name = program.front();
    migrate::runner::CommandCall call;
    call.program = std::move(program);
    call.environment = std::move(environment);
    TRY(const migrate::runner::CommandResult done, migrate::runner::run_command(call));
    if (done.status != 0) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("{} ended with {}: {}", name, done.status, done.output));
    }
    return {};
}

// What pg_dump calls the schema, without owners and grants: this user need not be able to give
// either.
Result<> clone_schema(const std::string& from, const std::string& to) {
    std::string file = (std::filesystem::temp_directory_path() / "howdah-schema-XXXXXX").string();
    const int descriptor = ::mkstemp(file.data());
    if (descriptor < 0) {
        return fail(ErrorCode::kIo, file + " cannot be written");
    }
    ::close(descriptor);
    Result<> done = run_program({"pg_dump", "--schema-only", "--no-owner", "--no-privileges",
                                 "--no-publications", "--no-subscriptions", "--file", file},
                                from);
    if (done) {
        done = run_program({"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file}, to);
    }
    ::unlink(file.c_str());
    return done;
}

}  // namespace

Result<int> run_trace(const ml::LintInput& input, const TraceOptions& options) {
    std::optional<ml::ScratchServer> server;
    std::optional<ScratchDatabase> database;
    std::string conninfo;
    if (options.database.empty()) {
        TRY(ml::ScratchServer started, ml::ScratchServer::start());
        conninfo = server.emplace(std::move(started)).conninfo();
    } else {
        TRY(ScratchDatabase created, ScratchDatabase::create(options.database));
        database.emplace(std::move(created));
        TRY(conninfo, pg::with_database(options.database, database->name()));
    }
    if (options.clone) {
        TRY_VOID(clone_schema(options.database, conninfo));
    }
    TRY(const ml::TraceResult result,
        ml::trace(input, conninfo, options.clone ? ml::TraceWhat::kPending : ml::TraceWhat::kAll));
    fmt::print("{}", options.json ? ml::trace_json(result) : ml::trace_text(result, options.all));
    return result.differing > 0 || result.failed > 0 ? kFound : kFine;
}

Result<int> run_fix(const ml::LintInput& input, bool only_show) {
    TRY(const ml::FixPlan plan, ml::plan_fixes(input));
    if (plan.files.empty() && plan.left.empty()) {
        fmt::print("nothing to split: every statement is safe as it stands, or has no safe form\n");
        return kFine;
    }
    fmt::print("{}", ml::show_plan(plan));
    if (!only_show && !plan.files.empty()) {
        TRY_VOID(ml::write_plan(plan));
        fmt::print("{} written\n", counted(plan.files.size(), "file"));
    }
    return kFine;
}

}  // namespace howdah::cli
