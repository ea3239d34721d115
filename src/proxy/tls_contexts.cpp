#include "proxy/tls_contexts.hpp"

namespace howdah::proxy {
namespace {

using config::SslMode;

net::TlsOptions client_options(const config::Settings& settings) {
    net::TlsOptions options;
    options.role = net::TlsRole::kServer;
    options.certificate_file = settings.client_tls_cert_file;
    options.key_file = settings.client_tls_key_file;
    options.ca_file = settings.client_tls_ca_file;
    options.ciphers = settings.client_tls_ciphers;
    options.tls13_ciphersuites = settings.client_tls13_ciphers;
    options.protocols = settings.client_tls_protocols;
    options.ecdh_curve = settings.client_tls_ecdhcurve;
    options.dhe_params = settings.client_tls_dheparams;
    options.request_client_certificate = !settings.client_tls_ca_file.empty();
    options.require_client_certificate = settings.client_tls_sslmode >= SslMode::kVerifyCa;
    return options;
}

SslMode server_mode(const config::Settings& settings, const config::DatabaseSettings* database) {
    return database != nullptr && database->sslmode ? *database->sslmode
                                                    : settings.server_tls_sslmode;
}

net::TlsOptions server_options(const config::Settings& settings,
                               const config::DatabaseSettings* database) {
    net::TlsOptions options;
    options.role = net::TlsRole::kClient;
    options.certificate_file = settings.server_tls_cert_file;
    options.key_file = settings.server_tls_key_file;
    options.ca_file = settings.server_tls_ca_file;
    options.ciphers = settings.server_tls_ciphers;
    options.tls13_ciphersuites = settings.server_tls13_ciphers;
    options.protocols = settings.server_tls_protocols;
    if (database != nullptr) {
        options.certificate_file = database->sslcert.value_or(options.certificate_file);
        options.key_file = database->sslkey.value_or(options.key_file);
        options.ca_file = database->sslrootcert.value_or(options.ca_file);
    }
    const SslMode mode = server_mode(settings, database);
    options.verify = mode == SslMode::kVerifyFull ? net::TlsVerify::kFull
                     : mode == SslMode::kVerifyCa ? net::TlsVerify::kCa
                                                  : net::TlsVerify::kNone;
    return options;
}

bool overrides(const config::DatabaseSettings& database) {
    return database.sslmode || database.sslcert || database.sslkey || database.sslrootcert;
}

Result<std::shared_ptr<const net::TlsContext>> server_context(
    const config::Settings& settings, const config::DatabaseSettings* database) {
    if (server_mode(settings, database) == SslMode::kDisable) {
        return nullptr;
    }
    auto context = net::TlsContext::create(server_options(settings, database));
    if (!context && database != nullptr) {
        return fail_in("database " + database->name, std::move(context).error());
    }
    return context;
}

}  // namespace

Result<std::shared_ptr<const TlsContexts>> TlsContexts::create(const config::Config& config) {
    const auto contexts = std::make_shared<TlsContexts>();
    const config::Settings& settings = config.settings;
    if (settings.client_tls_sslmode != SslMode::kDisable) {
        if (settings.client_tls_key_file.empty() || settings.client_tls_cert_file.empty()) {
            return fail(ErrorCode::kInvalidInput,
                        "To allow TLS connections from clients, client_tls_key_file and "
                        "client_tls_cert_file must be set.");
        }
        TRY(contexts->client_, net::TlsContext::create(client_options(settings)));
    }
    TRY(contexts->server_, server_context(settings, nullptr));
    contexts->autodb_ = contexts->server_;
    if (config.autodb && overrides(*config.autodb)) {
        TRY(contexts->autodb_, server_context(settings, &*config.autodb));
    }
    for (const auto& [name, database] : config.databases) {
        if (overrides(database)) {
            TRY(contexts->databases_[name], server_context(settings, &database));
        } else {
            contexts->databases_[name] = contexts->server_;
        }
    }
    return contexts;
}

std::shared_ptr<const net::TlsContext> TlsContexts::server_for(std::string_view database) const {
    const auto found = databases_.find(database);
    return found != databases_.end() ? found->second : autodb_;
}

}  // namespace howdah::proxy
