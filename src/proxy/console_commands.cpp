#include "proxy/console_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/log.hpp"
#include "proxy/gather.hpp"

namespace howdah::proxy {
namespace {

using Outcome = Result<std::string>;

std::unexpected<Error> refuse(std::string message) {
    return fail(Error(ErrorCode::kInvalidInput, "08P01", std::move(message)));
}

std::unexpected<Error> cancelled() {
    return fail(Error(ErrorCode::kCancelled, "57014", "canceling statement due to user request"));
}

bool is_console_name(std::string_view database) {
    return database == "pgbouncer" || database == "howdah";
}

// The database a command names, when it may be named there.
Result<> check_database(Worker& home, const std::string& name, std::string_view verb) {
    if (is_console_name(name)) {
        return refuse(fmt::format("cannot {} admin db: {}", verb, name));
    }
    if (home.config().entry(name) == nullptr) {
        return refuse("no such database: " + name);
    }
    return {};
}

bool concerns(const PoolEntry& entry, const std::string& database) {
    return database.empty() || entry.database() == database;
}

// Lends or holds back, on every pool, as Control says now.
net::Task<void> apply_pauses(Worker& home) {
    co_await gather<int>(home, [](Worker& worker) {
        worker.apply_pauses();
        return 0;
    });
}

bool servers_gone(Worker& worker, const std::string& database) {
    return std::all_of(worker.pools().begin(), worker.pools().end(), [&](const auto& item) {
        return !concerns(*item.second, database) || item.second->pool().counts().total() == 0;
    });
}

net::Task<Outcome> pause(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    Control& control = home.shared().control();
    const std::string database = command.argument;
    if (control.pause_mode() != PauseMode::kNone) {
        co_return refuse("already suspended/paused");
    }
    if (database.empty()) {
        log::info("PAUSE command issued");
        control.set_pause_mode(PauseMode::kPause);
    } else {
        log::info("PAUSE '{}' command issued", database);
        CO_TRY_VOID(check_database(home, database, "pause"));
        control.set_database_paused(database, true);
    }
    co_await apply_pauses(home);
    if (!co_await console.wait_until(
            [&database](Worker& worker) { return servers_gone(worker, database); })) {
        if (database.empty()) {
            control.set_pause_mode(PauseMode::kNone);
        } else {
            control.set_database_paused(database, false);
        }
        co_await apply_pauses(home);
        co_return cancelled();
    }
    co_return "PAUSE";
}

net::Task<Outcome> resume(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    Control& control = home.shared().control();
    const std::string& database = command.argument;
    if (database.empty()) {
        log::info("RESUME command issued");
        if (control.shutdown_mode() != ShutdownMode::kNone) {
            co_return refuse("pooler is shutting down");
        }
        if (control.pause_mode() == PauseMode::kNone) {
            co_return refuse("pooler is not paused/suspended");
        }
        control.set_pause_mode(PauseMode::kNone);
    } else {
        log::info("RESUME '{}' command issued", database);
        if (home.config().entry(database) == nullptr) {
            co_return refuse("no such database: " + database);
        }
        if (!control.database_paused(database)) {
            co_return refuse(fmt::format("database {} is not paused", database));
        }
        control.set_database_paused(database, false);
    }
    co_await apply_pauses(home);
    co_return "RESUME";
}

net::Task<Outcome> suspend(Console& console, const ConsoleCommand&) {
    Worker& home = console.worker();
    Control& control = home.shared().control();
    if (control.pause_mode() != PauseMode::kNone) {
        co_return refuse("already suspended/paused");
    }
    if (control.databases_paused() > 0) {
        co_return refuse("cannot suspend with paused databases");
    }
    log::info("SUSPEND command issued");
    control.set_pause_mode(PauseMode::kSuspend);
    console.suspends();
    co_await apply_pauses(home);
    const net::TimePoint until = home.loop().now() + home.settings().suspend_timeout;
    if (!co_await console.wait_until([until](Worker& worker) {
            return worker.suspend_done(worker.loop().now() >= until);
        })) {
        control.set_pause_mode(PauseMode::kNone);
        co_await apply_pauses(home);
        co_return cancelled();
    }
    co_return "SUSPEND";
}

net::Task<Outcome> reconnect(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    const std::string database = command.argument;
    if (database.empty()) {
        log::info("RECONNECT command issued");
    } else {
        log::info("RECONNECT '{}' command issued", database);
        CO_TRY_VOID(check_database(home, database, "reconnect"));
    }
    co_await gather<int>(home, [&database](Worker& worker) {
        for (const auto& [key, entry] : worker.pools()) {
            if (concerns(*entry, database)) {
                entry->hidden_code.schema_changed();  // perhaps, by others than clients
                entry->pool().reconnect("database configuration changed");
            }
        }
        return 0;
    });
    co_return "RECONNECT";
}

net::Task<Outcome> wait_close(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    const std::string database = command.argument;
    if (database.empty()) {
        log::info("WAIT_CLOSE command issued");
    } else {
        log::info("WAIT_CLOSE '{}' command issued", database);
        CO_TRY_VOID(check_database(home, database, "wait in"));
    }
    const bool closed = co_await console.wait_until([&database](Worker& worker) {
        for (const auto& [key, entry] : worker.pools()) {
            const auto& servers = entry->pool().servers();
            if (concerns(*entry, database) &&
                std::any_of(servers.begin(), servers.end(), [](const auto& server) {
                    return server->connection != nullptr && server->connection->doomed;
                })) {
                return false;
            }
        }
        return true;
    });
    if (!closed) {
        co_return cancelled();
    }
    co_return "WAIT_CLOSE";
}

net::Task<Outcome> disable(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    const std::string database = command.argument;
    if (database.empty()) {
        co_return refuse("a database is required");
    }
    log::info("DISABLE '{}' command issued", database);
    CO_TRY_VOID(check_database(home, database, "disable"));
    home.shared().control().set_disabled(database, true);
    co_await apply_pauses(home);
    co_return "DISABLE";
}

net::Task<Outcome> enable(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    const std::string database = command.argument;
    if (database.empty()) {
        co_return refuse("a database is required");
    }
    log::info("ENABLE '{}' command issued", database);
    CO_TRY_VOID(check_database(home, database, "enable"));
    home.shared().control().set_disabled(database, false);
    co_await apply_pauses(home);
    co_return "ENABLE";
}

// Ends the sessions `chosen` picks; their ids.
net::Task<std::vector<std::uint64_t>> end_sessions(Worker& home,
                                                   std::function<bool(const Session&)> chosen,
                                                   std::string message) {
    co_return co_await gather_rows<std::uint64_t>(home, [&](Worker& worker) {
        std::vector<std::uint64_t> ended;
        for (const auto& [id, session] : worker.sessions()) {
            if (chosen(*session)) {
                session->end("08P01", message);
                ended.push_back(id);
            }
        }
        return ended;
    });
}

// Until they are gone. Who comes meanwhile is not waited for: in front of a paused database they
// would come without end.
net::Task<void> sessions_gone(Console& console, const std::vector<std::uint64_t>& ended) {
    co_await console.wait_until([&ended](Worker& worker) {
        return std::ranges::none_of(
            ended, [&](std::uint64_t id) { return worker.sessions().contains(id); });
    });
}

net::Task<Outcome> kill(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    Control& control = home.shared().control();
    const std::string database = command.argument;
    if (control.pause_mode() != PauseMode::kNone) {
        co_return refuse("already suspended/paused");
    }
    if (database.empty()) {
        log::info("KILL command issued");
        for (const auto& name : co_await gather_rows<std::string>(home, [](Worker& worker) {
                 std::vector<std::string> names;
                 for (const auto& [key, entry] : worker.pools()) {
                     names.push_back(entry->database());
                 }
                 return names;
             })) {
            control.set_database_paused(name, true);
        }
    } else {
        log::info("KILL '{}' command issued", database);
        CO_TRY_VOID(check_database(home, database, "kill"));
        control.set_database_paused(database, true);
    }
    co_await apply_pauses(home);
    const auto chosen = [&database](const Session& session) {
        return session.pool() != nullptr && concerns(*session.pool(), database);
    };
    const auto ended = co_await end_sessions(home, chosen, "database removed");
    co_await sessions_gone(console, ended);
    co_return "KILL";
}

net::Task<Outcome> kill_client(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    std::uint64_t id = 0;
    const std::string& text = command.argument;
    if (std::from_chars(text.data(), text.data() + text.size(), id).ec != std::errc()) {
        co_return refuse("invalid client pointer supplied");
    }
    const auto ended = co_await end_sessions(
        home, [id](const Session& session) { return session.id() == id && session.logged_in(); },
        "admin forced disconnect");
    if (ended.empty()) {
        co_return refuse("client not found");
    }
    if (id != console.session().id()) {
        co_await sessions_gone(console, ended);
    }
    co_return "KILL_CLIENT";
}

net::Task<Outcome> reload(Console& console, const ConsoleCommand&) {
    Worker& home = console.worker();
    log::info("RELOAD command issued");
    const auto done = co_await on_main(home, [&home] { return home.shared().control().reload(); });
    if (!done) {
        log::error("RELOAD Failed, see logs for more details");
        co_return fail(Error(ErrorCode::kInvalidInput, "F0000",
                             "RELOAD failed, see logs for additional details"));
    }
    co_return "RELOAD";
}

net::Task<Outcome> set(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    const auto done = co_await on_main(home, [&home, &command]() -> Result<> {
        TRY(const config::ConfigPtr changed,
            config::set(home.shared().config(), command.argument, command.value));
        return home.shared().control().apply_config(changed);
    });
    if (!done) {
        log::error("{}", done.error().message);
        co_return fail(
            Error(ErrorCode::kInvalidInput, "08P01", "SET failed", done.error().message));
    }
    co_return fmt::format("SET {}={}", command.argument, command.value);
}

net::Task<Outcome> shut_down(Console& console, const ConsoleCommand& command) {
    Worker& home = console.worker();
    std::string how = command.argument;
    std::transform(how.begin(), how.end(), how.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const ShutdownMode mode = how.empty()                 ? ShutdownMode::kImmediate
                              : how == "WAIT_FOR_CLIENTS" ? ShutdownMode::kWaitForClients
                              : how == "WAIT_FOR_SERVERS" ? ShutdownMode::kWaitForServers
                                                          : ShutdownMode::kNone;
    if (mode == ShutdownMode::kNone) {
        co_return fail(console.invalid_command());
    }
    log::info("SHUTDOWN{}{} command issued", how.empty() ? "" : " ", how);
    CO_TRY_VOID(co_await on_main(home, [&home, mode]() -> Result<> {
        home.shared().control().shut_down(mode);
        return {};
    }));
    if (mode == ShutdownMode::kImmediate) {
        // The connection stays open until the process ends: whoever waits for that can.
        co_await console.wait_until([](Worker&) { return false; });
    }
    co_return "SHUTDOWN";
}

}  // namespace

net::Task<Result<>> on_main(Worker& home, std::function<Result<>()> work) {
    Result<> result;
    bool done = false;
    net::Event came(home.loop());
    const bool posted = home.shared().control().post_to_main([&] {
        Result<> made = work();
        home.loop().post([&, made = std::move(made)]() mutable {
            result = std::move(made);
            done = true;
            came.notify();
        });
    });
    if (!posted) {
        co_return refuse("pooler is shutting down");
    }
    while (!done) {
        co_await came.wait();
    }
    co_return result;
}

const CommandEntry* find_command(std::string_view name) {
    static constexpr CommandEntry kCommands[] = {{"pause", true, pause},
                                                 {"resume", true, resume},
                                                 {"suspend", false, suspend},
                                                 {"reconnect", true, reconnect},
                                                 {"wait_close", true, wait_close},
                                                 {"disable", true, disable},
                                                 {"enable", true, enable},
                                                 {"kill", true, kill},
                                                 {"kill_client", true, kill_client},
                                                 {"reload", false, reload},
                                                 {"set", true, set},
                                                 {"shutdown", true, shut_down},
                                                 {"show_fds", false, show_fds},
                                                 {"take_http", false, take_http},
                                                 {"take_clients", true, take_clients}};
    const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                     [&](const auto& entry) { return entry.name == name; });
    return found == std::end(kCommands) ? nullptr : found;
}

}  // namespace howdah::proxy
