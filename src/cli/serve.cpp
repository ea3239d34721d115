// howdah serve: the proxy. Also PgBouncer's own command line, `howdah [-d] [-q] [-v] [-u USER]
// FILE.ini`, so that it can take PgBouncer's place in a unit file.

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/log.hpp"
#include "cli/commands.hpp"
#include "config/config.hpp"
#include "proxy/proxy.hpp"

namespace howdah::cli {
namespace {

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
        const std::string where =
            diagnostic.file.empty() ? std::string()
            : diagnostic.line > 0   ? fmt::format("{}:{}: ", diagnostic.file, diagnostic.line)
                                    : fmt::format("{}: ", diagnostic.file);
        if (diagnostic.severity == config::Diagnostic::Severity::kError) {
            log::error("{}{}", where, diagnostic.text());
        } else {
            log::warning("{}{}", where, diagnostic.text());
        }
    }
}

Result<> start_log(const config::Settings& settings, const ServeOptions& options) {
    log::Options log_options;
    log_options.level = settings.verbose >= 2   ? log::Level::kNoise
                        : settings.verbose == 1 ? log::Level::kDebug
                                                : log::Level::kInfo;
    log_options.format = settings.log_format == config::LogFormat::kJson ? log::Format::kJson
                                                                         : log::Format::kText;
    log_options.to_stderr = !options.quiet && !options.daemon;
    log_options.file = settings.logfile;
    log_options.to_syslog = settings.syslog;
    log_options.syslog_ident = settings.syslog_ident;
    log_options.syslog_facility = settings.syslog_facility;
    return log::configure(log_options);
}

// As many descriptors as the hard limit allows: each client and each server takes one.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

sigset_t handled_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        ::sigaddset(&set, signal);
    }
    return set;
}

void reload(proxy::Proxy& proxy, const ServeOptions& options) {
    log::info("got SIGHUP, re-reading config");
    config::LoadOutcome outcome = config::load(load_request(options));
    report(outcome.diagnostics);
    if (outcome.config == nullptr) {
        log::error("the configuration has errors: the old one stays in force");
        return;
    }
    const config::ConfigPtr old_config = proxy.shared().config();
    if (auto done = proxy.reconfigure(
            config::without_restart_changes(*old_config, outcome.config));
        !done) {
        log::error("{}: the old configuration stays in force", done.error().message);
    }
}

int run_until_signalled(proxy::Proxy& proxy, const ServeOptions& options) {
    const sigset_t signals = handled_signals();
    while (true) {
        int signal = 0;
        if (::sigwait(&signals, &signal) != 0) {
            continue;
        }
        switch (signal) {
            case SIGHUP: reload(proxy, options); break;
            case SIGTERM:
            case SIGINT: {
                log::info("got {}, shutting down", signal == SIGTERM ? "SIGTERM" : "SIGINT");
                const auto drain = proxy.shared().config()->settings.drain_timeout;
                proxy.drain(std::chrono::duration_cast<std::chrono::milliseconds>(drain));
                proxy.stop();
                return 0;
            }
            case SIGQUIT:
                log::info("got SIGQUIT, fast exit");
                proxy.stop();
                return 0;
            default: break;
        }
    }
}

int serve(const ServeOptions& options) {
    config::LoadOutcome outcome = config::load(load_request(options));
    report(outcome.diagnostics);
    if (outcome.config == nullptr) {
        return 2;
    }
    if (auto logging = start_log(outcome.config->settings, options); !logging) {
        std::fprintf(stderr, "howdah: %s\n", logging.error().message.c_str());
        return 2;
    }
    if (options.daemon && ::daemon(1, 0) != 0) {
        std::fprintf(stderr, "howdah: could not become a daemon\n");
        return 3;
    }
    raise_descriptor_limit();
    ::signal(SIGPIPE, SIG_IGN);
    const sigset_t signals = handled_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    proxy::Proxy proxy(outcome.config);
    if (auto started = proxy.start(); !started) {
        log::fatal("{}", started.error().message);
        return 3;
    }
    log::info("process up: howdah {}, {} loop{} on {}", HOWDAH_VERSION,
              proxy.shared().workers.size(), proxy.shared().workers.size() == 1 ? "" : "s",
              proxy.backend_name());
    return run_until_signalled(proxy, options);
}

}  // namespace

int run_serve(int argc, char** argv) {
    ServeOptions options;
    CLI::App app("Pools, routes and watches connections to PostgreSQL.\n\n"
                 "  howdah serve --upstream postgres://user@db.example:5432/app\n"
                 "  howdah serve --config howdah.toml\n"
                 "  howdah serve pgbouncer.ini",
                 "howdah serve");
    app.add_option("file,--config", options.file, "howdah.toml or pgbouncer.ini");
    app.add_option("--upstream", options.upstream,
                   "the PostgreSQL to front: a libpq URI or keyword string");
    app.add_option("--set", options.set, "NAME=VALUE, over what the file says");
    app.add_option("-u,--user", options.user, "run as this user (when started as root)");
    app.add_flag("-d,--daemon", options.daemon, "run in the background");
    app.add_flag("-R,--reboot", options.reboot, "take over from a running process");
    app.add_flag("-q,--quiet", options.quiet, "log nothing to stderr");
    app.add_flag("-v,--verbose", options.verbose, "log more; twice: much more");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return serve(options);
}

}  // namespace howdah::cli
