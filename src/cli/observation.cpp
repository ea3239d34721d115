#include "cli/observation.hpp"

#include "base/log.hpp"
#include "cli/start_check.hpp"
#include "cli/systemd.hpp"

namespace howdah::cli {
Observation::Observation(proxy::Proxy& proxy)
    : proxy_(proxy), insight_(proxy), pump_(proxy.shared()), server_(proxy.shared(), totals_) {}

Result<web::ServerOptions> Observation::server_options(const config::Settings& settings) const {
    web::ServerOptions options;
    options.listen = settings.http_listen.names;
    options.host_names = settings.http_hosts.names;
    options.backend = proxy_.backend_name();
    options.insight = &insight_.engine();
    if (!settings.http_token_file.empty()) {
        TRY(options.token, read_http_token(settings.http_token_file));
    }
    return options;
}

Result<> Observation::start(std::vector<int> inherited_http, std::vector<int> taken_http) {
    const config::ConfigPtr config = proxy_.shared().config();
    TRY(web::ServerOptions options, server_options(config->settings));
    options.inherited = std::move(inherited_http);
    options.taken = std::move(taken_http);
    if (auto started = server_.start(std::move(options)); !started) {
        if (config->origins.contains("http_listen") || started.error().code != ErrorCode::kIo) {
            return fail(std::move(started).error());
        }
        log::warning("no metrics: {}", started.error().message);
    }
    pump_.add_observer([this](std::span<const QueryEvent> events) { totals_.observe(events); });
    pump_.add_observer([this](std::span<const QueryEvent> events) { insight_.observe(events); });
    pump_.add_tick([this] { insight_.tick(); });
    if (watchdog_interval().count() > 0) {
        pump_.on_beat = [](bool alive) {
            if (alive) {
                notify_systemd("WATCHDOG=1");
            }
        };
    }
    pump_.start();
    return {};
}

void Observation::stop() {
    server_.stop();
    pump_.stop();
    insight_.stop();
}

}  // namespace howdah::cli
