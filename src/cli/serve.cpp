// howdah serve: the proxy. Also PgBouncer's own command line, `howdah [-d] [-q] [-v] [-u USER]
// FILE.ini`, so that it can take PgBouncer's place in a unit file.

#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/log.hpp"
#include "cli/commands.hpp"
#include "cli/database.hpp"
#include "cli/exit_status.hpp"
#include "cli/main_loop.hpp"
#include "cli/observation.hpp"
#include "cli/process.hpp"
#include "cli/start_check.hpp"
#include "cli/systemd.hpp"
#include "cli/takeover.hpp"
#include "cli/upstream_check.hpp"
#include "config/config.hpp"
#include "proxy/proxy.hpp"

namespace howdah::cli {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  howdah serve --upstream postgres://app:secret@db.example.com/shop\n"
    "  howdah serve --upstream postgres://app@db/shop --set listen_port=5433\n"
    "  howdah serve howdah.toml\n"
    "  howdah serve /etc/pgbouncer/pgbouncer.ini\n"
    "\n"
    "Applications then go to port 6432 with the user and password of --upstream (~/.pgpass and\n"
    "PGPASSWORD count). psql -p 6432 ... howdah -c 'show help' is the console. Every option:\n"
    "howdah config show. Exit status: 0 ended when told to, 2 wrong usage or input, 3 could not "
    "run\n";

struct ServeOptions {
    std::string file;
    std::string upstream;
    std::vector<std::string> set;
    std::string user;
    int verbose = 0;
    bool quiet = false;
    bool daemon = false;
    bool reboot = false;
};

config::LoadRequest load_request(const ServeOptions& options) {
    config::LoadRequest request;
    request.file = options.file;
    if (!options.upstream.empty()) {
        request.upstream = options.upstream;
    }
    for (const std::string& item : options.set) {
        const std::size_t equals = item.find('=');
        request.overrides.emplace_back(item.substr(0, equals),
                                       equals == std::string::npos ? "" : item.substr(equals + 1));
    }
    if (options.verbose > 0) {
        request.overrides.emplace_back("verbose", std::to_string(options.verbose));
    }
    if (!options.user.empty()) {
        request.overrides.emplace_back("user", options.user);
    }
    return request;
}

void report(const std::vector<config::Diagnostic>& diagnostics) {
    for (const config::Diagnostic& diagnostic : diagnostics) {
        const std::string where = diagnostic.file.empty() ? std::string()
                                  : diagnostic.line > 0
                                      ? fmt::format("{}:{}: ", diagnostic.file, diagnostic.line)
                                      : fmt::format("{}: ", diagnostic.file);
        if (diagnostic.severity == config::Diagnostic::Severity::kError) {
            log::error("{}{}", where, diagnostic.text());
        } else {
            log::warning("{}{}", where, diagnostic.text());
        }
    }
}

bool has_error(const std::vector<config::Diagnostic>& diagnostics) {
    return std::ranges::any_of(diagnostics, [](const config::Diagnostic& diagnostic) {
        return diagnostic.severity == config::Diagnostic::Severity::kError;
    });
}

Result<> start_log(const config::Settings& settings, const ServeOptions& options) {
    log::Options log_options;
    log_options.level = settings.verbose >= 2   ? log::Level::kNoise
                        : settings.verbose == 1 ? log::Level::kDebug
                                                : log::Level::kInfo;
    log_options.format =
        settings.log_format == config::LogFormat::kJson ? log::Format::kJson : log::Format::kText;
    log_options.to_stderr = !options.quiet;  // a daemon's is /dev/null, from become_daemon() on
    log_options.file = settings.logfile;
    log_options.to_syslog = settings.syslog;
    log_options.syslog_ident = settings.syslog_ident;
    log_options.syslog_facility = settings.syslog_facility;
    return log::configure(log_options);
}

Result<> reload(proxy::Proxy& proxy, const ServeOptions& options) {
    config::LoadRequest request = load_request(options);
    // SET conffile names another.
    if (const std::string& file = proxy.shared().config()->settings.conffile; !file.empty()) {
        request.file = file;
    }
    config::LoadOutcome outcome = config::load(request);
    report(outcome.diagnostics);
    if (outcome.config == nullptr) {
        return fail(ErrorCode::kInvalidInput,
                    "the configuration has errors: the old one stays in force");
    }
    if (auto logging = start_log(outcome.config->settings, options); !logging) {
        log::error("{}", logging.error().message);
    }
    const config::ConfigPtr old_config = proxy.shared().config();
    return proxy.reconfigure(config::without_restart_changes(*old_config, outcome.config));
}

}  // namespace

// --- The running process ---

namespace {

using proxy::PauseMode;
using proxy::ShutdownMode;

class Service {
  public:
    Service(proxy::Proxy& proxy, MainLoop& loop, const ServeOptions& options)
        : proxy_(proxy),
          loop_(loop),
          options_(options),
          control_(proxy.shared().control()),
          observation_(proxy) {
        control_.post_to_main = [this](std::function<void()> work) {
            return loop_.post(std::move(work));
        };
        control_.reload = [this] { return reload(proxy_, options_); };
        control_.apply_config = [this](config::ConfigPtr config) -> Result<> {
            TRY_VOID(start_log(config->settings, options_));
            // PgBouncer's SET takes files one by one: a key and its certificate are set in turn.
            const bool one_by_one = config->pgbouncer;
            return proxy_.reconfigure(std::move(config), one_by_one);
        };
        control_.shut_down = [this](ShutdownMode mode) { begin_shutdown(mode); };
        control_.http_sockets = [this] { return observation_.http_sockets(); };
        control_.leave_http = [this] { observation_.leave_http(); };
    }

    Result<> observe(std::vector<int> inherited_http, std::vector<int> taken_http) {
        return observation_.start(std::move(inherited_http), std::move(taken_http));
    }

    // Until a shutdown is complete. `before_end`: the loops are about to go.
    void run(const std::function<void()>& before_end) {
        notify_systemd("READY=1\nSTATUS=serving");
        while (!finished()) {
            const auto nap = control_.shutdown_mode() == ShutdownMode::kNone ? 60'000ms : 50ms;
            if (const auto signal = loop_.wait(nap)) {
                handle(*signal);
            }
        }
        notify_systemd("STOPPING=1");
        loop_.close();
        observation_.stop();
        before_end();
        proxy_.stop();
    }

  private:
    void handle(int signal) {
        switch (signal) {
            case SIGHUP:
                on_hangup();
                break;
            case SIGTERM:
                on_terminate();
                break;
            case SIGINT:
                on_interrupt();
                break;
            case SIGQUIT:
                log::info("got SIGQUIT, fast exit");
                control_.set_shutdown_mode(ShutdownMode::kImmediate);
                break;
            case SIGUSR1:
                on_pause();
                break;
            case SIGUSR2:
                on_resume();
                break;
            default:
                break;
        }
    }

    void on_hangup() {
        log::info("got SIGHUP, re-reading config");
        log::reopen();
        notify_reloading();
        if (auto done = reload(proxy_, options_); !done) {
            log::error("{}", done.error().message);
        }
        notify_systemd("READY=1");
    }

    // Under a pgbouncer.ini clients may stay as long as they like; else until drain_timeout.
    void on_terminate() {
        if (control_.shutdown_mode() != ShutdownMode::kNone) {
            log::info("got SIGTERM while shutting down, fast exit");
            control_.set_shutdown_mode(ShutdownMode::kImmediate);
            return;
        }
        const config::ConfigPtr config = proxy_.shared().config();
        if (config->pgbouncer) {
            log::info("got SIGTERM, shutting down, waiting for all clients disconnect");
            begin_shutdown(ShutdownMode::kWaitForClients);
            return;
        }
        log::info("got SIGTERM, shutting down as transactions end, at most {} s",
                  config->settings.drain_timeout.count() / 1'000'000);
        begin_shutdown(ShutdownMode::kWaitForClients);
        proxy_.ask_clients_to_leave();
        cut_off_at_ = Clock::now() + config->settings.drain_timeout;
    }

    void on_interrupt() {
        if (control_.shutdown_mode() != ShutdownMode::kNone) {
            log::info("got SIGINT while shutting down, fast exit");
            control_.set_shutdown_mode(ShutdownMode::kImmediate);
            return;
        }
        log::info("got SIGINT, shutting down, waiting for all servers connections to be released");
        begin_shutdown(ShutdownMode::kWaitForServers);
    }

    void on_pause() {
        if (control_.pause_mode() != PauseMode::kNone) {
            log::info("got SIGUSR1, but already paused/suspended");
            return;
        }
        log::info("got SIGUSR1, pausing all activity");
        control_.set_pause_mode(PauseMode::kPause);
        proxy_.apply_pauses();
    }

    void on_resume() {
        const PauseMode mode = control_.pause_mode();
        if (control_.shutdown_mode() != ShutdownMode::kNone) {
            log::info("got SIGUSR2 while shutting down, ignoring");
            return;
        }
        if (mode == PauseMode::kNone) {
            log::info("got SIGUSR2, but not paused/suspended");
            return;
        }
        log::info("got SIGUSR2, continuing from {}",
                  mode == PauseMode::kPause ? "PAUSE" : "SUSPEND");
        control_.set_pause_mode(PauseMode::kNone);
        proxy_.apply_pauses();
    }

    void begin_shutdown(ShutdownMode mode) {
        control_.set_shutdown_mode(mode);
        notify_systemd("STOPPING=1\nSTATUS=finishing transactions");
        if (mode == ShutdownMode::kImmediate) {
            return;
        }
        proxy_.stop_listening(true);
        if (mode == ShutdownMode::kWaitForServers) {
            control_.set_pause_mode(PauseMode::kPause);
            proxy_.apply_pauses();
        }
    }

    bool finished() {
        switch (control_.shutdown_mode()) {
            case ShutdownMode::kNone:
                return false;
            case ShutdownMode::kImmediate:
                return true;
            case ShutdownMode::kWaitForServers:
                if (proxy_.servers() > 0) {
                    return false;
                }
                log::info("server connections dropped, exiting");
                return true;
            case ShutdownMode::kWaitForClients:
                if (cut_off_at_ && Clock::now() >= *cut_off_at_) {
                    log::info("drain_timeout is over, exiting");
                    return true;
                }
                if (proxy_.shared().clients.load() > 0) {
                    return false;
                }
                log::info("client connections dropped, exiting");
                return true;
        }
        return true;
    }

    using Clock = std::chrono::steady_clock;
    proxy::Proxy& proxy_;
    MainLoop& loop_;
    const ServeOptions& options_;
    proxy::Control& control_;
    Observation observation_;
    std::optional<Clock::time_point> cut_off_at_;
};

// Everything that must be done while there is one thread only.
Result<> prepare_process(const config::Settings& settings, const ServeOptions& options) {
    if (options.daemon && settings.pidfile.empty()) {
        return fail(ErrorCode::kInvalidInput, "daemon needs pidfile configured");
    }
    TRY_VOID(drop_to_user(settings.user));
    TRY_VOID(start_log(settings, options));
    if (!options.reboot) {
        if (unix_socket_in_use(settings)) {
            return fail(ErrorCode::kUnavailable, "unix socket is in use, cannot continue");
        }
        TRY_VOID(check_pidfile(settings.pidfile));
    }
    if (options.daemon) {
        TRY_VOID(become_daemon());
    }
    raise_descriptor_limit();
    return {};
}

// Nobody to take over from: a Takeover of no sockets.
Result<Takeover> begin_takeover(const config::Settings& settings, const ServeOptions& options) {
    return options.reboot ? Takeover::begin(settings) : Takeover();
}

// The log's last line, with what to do; the exit status.
int give_up(const Error& error) {
    log::fatal("{}{}", error.message, error.hint.empty() ? "" : ": " + error.hint);
    return exit_status(error.code);
}

int serve_config(const config::ConfigPtr& config, const ServeOptions& options) {
    auto main_loop = MainLoop::create();
    if (!main_loop) {
        return give_up(main_loop.error());
    }
    proxy::Proxy proxy(config);
    Service service(proxy, **main_loop, options);
    InheritedSockets inherited = take_inherited_sockets();
    auto takeover = begin_takeover(config->settings, options);
    if (!takeover) {
        return give_up(takeover.error());
    }
    const std::vector<int>& taken = takeover->sockets();
    inherited.proxy.insert(inherited.proxy.end(), taken.begin(), taken.end());
    if (auto started = proxy.start(std::move(inherited.proxy)); !started) {
        return give_up(started.error());
    }
    const auto adopt = [&proxy](proxy::ClientState state, int fd, int server_fd) {
        proxy.adopt(std::move(state), fd, server_fd);
    };
    std::vector<int> http;
    if (!config->settings.http_listen.names.empty()) {
        http = takeover->take_http();
    }
    if (auto finished = takeover->finish(adopt); !finished) {
        log::error("{}", finished.error().message);
    }
    if (auto watched = service.observe(std::move(inherited.http), std::move(http)); !watched) {
        // One that cannot give up that port has it until its last client leaves.
        if (!options.reboot) {
            return give_up(watched.error());
        }
        log::error("{}: no metrics before the next restart", watched.error().message);
    }
    const std::string& pidfile = config->settings.pidfile;
    if (auto written = write_pidfile(pidfile, options.reboot); !written) {
        return give_up(written.error());
    }
    log::info("process up: howdah {}, {} loop{} on {}", HOWDAH_VERSION,
              proxy.shared().workers.size(), proxy.shared().workers.size() == 1 ? "" : "s",
              proxy.backend_name());
    const UpstreamCheck upstream(options.upstream);
    service.run([&takeover] { takeover->stop(); });
    remove_pidfile(pidfile);
    return kFine;
}

int serve(ServeOptions options) {
    if (options.file.empty() || !options.upstream.empty()) {
        auto upstream = upstream_from(options.upstream);
        if (!upstream) {
            return report_error("serve", upstream.error());
        }
        options.upstream = std::move(*upstream);
    }
    config::LoadOutcome outcome = config::load(load_request(options));
    if (outcome.config != nullptr) {
        std::ranges::move(check_start(*outcome.config), std::back_inserter(outcome.diagnostics));
    }
    if (has_error(outcome.diagnostics)) {
        outcome.config = nullptr;
    }
    if (outcome.config != nullptr) {
        if (auto ready = prepare_process(outcome.config->settings, options); !ready) {
            return give_up(ready.error());
        }
    }
    report(outcome.diagnostics);
    return outcome.config == nullptr ? kWrongInput : serve_config(outcome.config, options);
}

void add_process_options(CLI::App& app, ServeOptions& options) {
    app.add_option("-u,--user", options.user, "run as this user (when started as root)");
    app.add_flag("-d,--daemon", options.daemon, "run in the background");
    app.add_flag("-R,--reboot", options.reboot, "take over from a running process");
    app.add_flag("-q,--quiet", options.quiet, "log nothing to stderr");
    app.add_flag("-v,--verbose", options.verbose, "log more; twice: much more");
}

int parse_and_serve(CLI::App& app, int argc, char** argv, const ServeOptions& options) {
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }
    return serve(options);
}

}  // namespace

int run_serve(int argc, char** argv) {
    ServeOptions options;
    CLI::App app("Pools connections to PostgreSQL, and shows what they do.", "howdah serve");
    app.footer(std::string(kExamples));
    app.add_option("file,--config", options.file, "howdah.toml or pgbouncer.ini");
    app.add_option("--upstream", options.upstream,
                   "the PostgreSQL to front: a URI or keywords as psql takes them; without it and "
                   "without a file, the PG* variables");
    app.add_option("--set", options.set, "NAME=VALUE, over what the file says; repeatable")
        ->allow_extra_args(false);
    add_process_options(app, options);
    return parse_and_serve(app, argc, argv, options);
}

int run_as_pgbouncer(int argc, char** argv) {
    ServeOptions options;
    CLI::App app(
        "Pools connections to PostgreSQL, started as PgBouncer is.\n\n"
        "  howdah -d /etc/pgbouncer/pgbouncer.ini",
        "howdah");
    app.set_version_flag("-V,--version", "howdah " HOWDAH_VERSION);
    app.add_option("file", options.file, "pgbouncer.ini")->required();
    add_process_options(app, options);
    return parse_and_serve(app, argc, argv, options);
}

}  // namespace howdah::cli
