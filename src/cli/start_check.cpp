#include "cli/start_check.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "net/tls.hpp"
#include "pg/conninfo.hpp"
#include "proxy/tls_contexts.hpp"
#include "web/guard.hpp"

namespace howdah::cli {
namespace {

using config::Diagnostic;
using config::SslMode;
using Severity = Diagnostic::Severity;

constexpr std::size_t kTokenBytesMin = 16;

class StartCheck {
  public:
    explicit StartCheck(const config::Config& config)
        : config_(config), settings_(config.settings) {}

    std::vector<Diagnostic> run() {
        check_http();
        check_tls();
        check_logfile();
        check_user();
        check_explain();
        return std::move(found_);
    }

  private:
    void report(Severity severity, std::string_view key, std::string message) {
        const auto origin = config_.origins.find(key);
        Diagnostic diagnostic{severity, "", 0, std::string(key), std::move(message), ""};
        if (origin != config_.origins.end()) {
            if (origin->second.kind == config::Origin::Kind::kFile) {
                diagnostic.file = origin->second.file;
                diagnostic.line = origin->second.line;
            } else {
                diagnostic.message += fmt::format(" ({})", origin->second.text());
            }
        }
        found_.push_back(std::move(diagnostic));
    }

    void report(std::string_view key, const Result<>& done) {
        if (!done) {
            report(Severity::kError, key, done.error().message);
        }
    }

    void check_http() {
        if (!settings_.http_token_file.empty()) {
            report("http_token_file", without_value(read_http_token(settings_.http_token_file)));
        }
        for (const std::string& address : settings_.http_listen.names) {
            report("http_listen",
                   without_value(web::listen_address(address, !settings_.http_token_file.empty())));
        }
    }

    template <typename T>
    static Result<> without_value(Result<T> result) {
        return result ? Result<>() : std::unexpected(std::move(result).error());
    }

    // One by one, so that the one that is wrong is named; then all of them together.
    void check_tls() {
        const std::size_t before = found_.size();
        if (settings_.client_tls_sslmode != SslMode::kDisable) {
            check_tls_options(net::TlsRole::kServer,
                              {{"client_tls_ciphers", settings_.client_tls_ciphers, {}},
                               {"client_tls13_ciphers", settings_.client_tls13_ciphers, {}},
                               {"client_tls_ecdhcurve", settings_.client_tls_ecdhcurve, {}},
                               {"client_tls_ca_file", settings_.client_tls_ca_file, {}},
                               {"client_tls_cert_file", settings_.client_tls_cert_file,
                                settings_.client_tls_key_file}});
        }
        if (settings_.server_tls_sslmode != SslMode::kDisable) {
            check_tls_options(net::TlsRole::kClient,
                              {{"server_tls_ciphers", settings_.server_tls_ciphers, {}},
                               {"server_tls13_ciphers", settings_.server_tls13_ciphers, {}},
                               {"server_tls_ca_file", settings_.server_tls_ca_file, {}},
                               {"server_tls_cert_file", settings_.server_tls_cert_file,
                                settings_.server_tls_key_file}});
        }
        if (found_.size() > before) {
            return;
        }
        const bool client =
            settings_.client_tls_sslmode != SslMode::kDisable &&
            (settings_.client_tls_key_file.empty() || settings_.client_tls_cert_file.empty());
        if (auto all = proxy::TlsContexts::create(config_); !all) {
            report(Severity::kError, client ? "client_tls_sslmode" : "server_tls_sslmode",
                   fmt::format("TLS setup failed: {}", all.error().message));
        }
    }

    struct TlsOption {
        std::string_view name;
        std::string value;
        std::string key_file;  // of a certificate
    };

    void check_tls_options(net::TlsRole role, const std::vector<TlsOption>& list) {
        for (const TlsOption& option : list) {
            net::TlsOptions options;
            options.role = role;
            if (option.name.ends_with("_tls_ciphers")) {
                options.ciphers = option.value;
            } else if (option.name.ends_with("_tls13_ciphers")) {
                options.tls13_ciphersuites = option.value;
            } else if (option.name.ends_with("_ecdhcurve")) {
                options.ecdh_curve = option.value;
            } else if (option.name.ends_with("_ca_file")) {
                options.ca_file = option.value;
            } else {
                options.certificate_file = option.value;
                options.key_file = option.key_file;
            }
            if (auto context = net::TlsContext::create(options); !context) {
                report(
                    Severity::kError, option.name,
                    fmt::format("{}: TLS setup failed: {}", option.name, context.error().message));
            }
        }
    }

    // Nothing is created here: its folder must be there. Whether its user may write to it is seen
    // at the start.
    void check_logfile() {
        if (settings_.logfile.empty()) {
            return;
        }
        std::error_code ignored;
        const std::filesystem::path path = std::filesystem::absolute(settings_.logfile, ignored);
        if (std::filesystem::is_directory(path, ignored)) {
            report(Severity::kError, "logfile",
                   fmt::format("logfile: \"{}\" is a folder", settings_.logfile));
        } else if (!std::filesystem::is_directory(path.parent_path(), ignored)) {
            report(Severity::kError, "logfile",
                   fmt::format("logfile: \"{}\" has no folder to be in", settings_.logfile));
        }
    }

    // Nobody but root changes to it.
    void check_user() {
        if (!settings_.user.empty() && ::getpwnam(settings_.user.c_str()) == nullptr) {
            report(::geteuid() == 0 ? Severity::kError : Severity::kWarning, "user",
                   fmt::format("user: could not find user '{}'", settings_.user));
        }
    }

    void check_explain() {
        const std::string& conninfo = settings_.slow_query_explain;
        if (conninfo.empty()) {
            return;
        }
        // A bare name would be a database's, which is the statement's here.
        const bool uri =
            conninfo.starts_with("postgresql://") || conninfo.starts_with("postgres://");
        if (!uri && conninfo.find('=') == std::string::npos) {
            return report(Severity::kError, "slow_query_explain",
                          fmt::format("slow_query_explain: \"{}\" is no connection string: "
                                      "host=... user=..., or postgresql://user@host",
                                      conninfo));
        }
        // Where libpq is not installed nobody can tell.
        if (auto read = pg::check_conninfo(conninfo);
            !read && read.error().code == ErrorCode::kInvalidInput) {
            report(Severity::kError, "slow_query_explain",
                   fmt::format("slow_query_explain: {}", read.error().message));
        }
    }

    const config::Config& config_;
    const config::Settings& settings_;
    std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> check_start(const config::Config& config) {
    return StartCheck(config).run();
}

Result<std::string> read_http_token(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    std::string token = text.str();
    while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) {
        token.pop_back();
    }
    if (!file || token.size() < kTokenBytesMin) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("http_token_file: \"{}\" holds no token of {} characters or more",
                                path, kTokenBytesMin));
    }
    return token;
}

}  // namespace howdah::cli
