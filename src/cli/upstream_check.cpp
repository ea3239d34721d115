#include "cli/upstream_check.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/log.hpp"
#include "pg/connection.hpp"
#include "pg/conninfo.hpp"

namespace howdah::cli {
namespace {

constexpr std::chrono::milliseconds kConnectMax{3000};

bool in_container() {
    return ::access("/.dockerenv", F_OK) == 0 || ::access("/run/.containerenv", F_OK) == 0;
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

void check(const std::string& upstream) {
    auto connection = pg::Connection::connect(
        {.conninfo = upstream, .application_name = "howdah", .connect_ms_max = kConnectMax});
    if (connection) {
        log::info("upstream {} answers: PostgreSQL {}", connection->host(),
                  connection->parameter("server_version"));
    } else {
        log::warning("upstream: {}", explain_failure(connection.error().message, in_container()));
    }
}

// Whom and where, from its own words; "" when the check would not be the clients' login.
std::string to_check(const std::string& upstream) {
    const auto variables = pg::as_environment(upstream);
    const auto has = [&](std::string_view name) {
        return variables && std::ranges::any_of(*variables, [&](const auto& variable) {
                   return variable.first == name;
               });
    };
    if (!has("PGUSER")) {
        return "";  // each client logs in as himself
    }
    return has("PGDATABASE") ? upstream : pg::with_database(upstream, "postgres").value_or("");
}

}  // namespace

UpstreamCheck::UpstreamCheck(const std::string& upstream) {
    if (std::string conninfo = to_check(upstream); !conninfo.empty()) {
        thread_ = std::thread([conninfo = std::move(conninfo)] { check(conninfo); });
    }
}

UpstreamCheck::~UpstreamCheck() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::string explain_failure(std::string_view message, bool in_container) {
    std::string line;
    for (const char c : message) {
        line += c == '\n' || c == '\t' ? ' ' : c;
    }
    const bool here = contains(message, "\"localhost\"") || contains(message, "\"127.0.0.1\"") ||
                      contains(message, "\"::1\"");
    if (in_container && here && contains(message, "refused")) {
        return line +
               "; in a container, localhost is the container: name the database's container, or "
               "the host as host.docker.internal (Docker) or host.containers.internal (Podman)";
    }
    if (contains(message, "password authentication failed")) {
        return line + "; the user and password of --upstream are the server's";
    }
    if (contains(message, "no password supplied")) {
        return line + "; give --upstream a password, or PGPASSWORD, or a line in ~/.pgpass";
    }
    return line;
}

}  // namespace howdah::cli
