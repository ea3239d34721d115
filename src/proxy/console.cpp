#include "proxy/console.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.hpp"
#include "proxy/console_commands.hpp"
#include "proxy/console_show.hpp"
#include "proxy/gather.hpp"

namespace howdah::proxy {
namespace {

using namespace std::chrono_literals;

// Commands are short; what is longer is not for us.
constexpr std::size_t kFrameBytesMax = 64 * 1024;
constexpr net::Duration kPollEvery = 20ms;

// Parameters that drivers ask for or set without need.
constexpr std::pair<std::string_view, std::string_view> kPretended[] = {
    {"client_encoding", "UTF-8"},
    {"default_transaction_isolation", "read committed"},
    {"standard_conforming_strings", "on"},
    {"datestyle", "ISO"},
    {"timezone", "GMT"},
    {"extra_float_digits", "1"}};

const std::pair<std::string_view, std::string_view>* find_pretended(std::string_view name) {
    const auto* found = std::find_if(std::begin(kPretended), std::end(kPretended),
                                     [&](const auto& entry) { return entry.first == name; });
    return found == std::end(kPretended) ? nullptr : found;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

constexpr std::string_view kHelp =
    "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION"
    "\n\tSHOW PEERS|PEER_POOLS"
    "\n\tSHOW FDS|SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE"
    "\n\tSHOW DNS_HOSTS|DNS_ZONES"
    "\n\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS"
    "\n\tSHOW QUERIES|FINDINGS|QUERIES_FULL|FINDINGS_FULL"
    "\n\tSET option = value"
    "\n\tRELOAD"
    "\n\tPAUSE [database]"
    "\n\tRESUME [database]"
    "\n\tDISABLE database"
    "\n\tENABLE database"
    "\n\tRECONNECT [database]"
    "\n\tKILL [database]"
    "\n\tKILL_CLIENT client_id"
    "\n\tSUSPEND"
    "\n\tSHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"
    "\n\tWAIT_CLOSE [database]";

void encode_help(wire::Encoder& into) {
    into.begin('N').u8('S').text("NOTICE").u8('V').text("NOTICE").u8('C').text("00000");
    into.u8('M').text("Console usage").u8('D').text(kHelp).u8(0).end();
}

}  // namespace

// --- Who may ---

// The user pgbouncer (or howdah) from our own uid needs no password.
bool Session::console_owner() const {
    const net::PeerInfo& peer = client_->peer();
    return console_ && peer.address.is_unix() && peer.uid == ::getuid() &&
           (user_ == "pgbouncer" || user_ == "howdah");
}

// Before authentication, as PgBouncer: may this user be here, and what may he do?
Result<> Session::enter_console() {
    const config::Settings& settings = worker_.settings();
    const bool any = settings.auth_type == config::AuthType::kAny;
    console_admin_ = console_owner() || settings.admin_users.contains(user_);
    if (!console_admin_ && !any && !settings.stats_users.contains(user_)) {
        log::info("{} is neither in admin_users nor in stats_users", label());
        return fail(Error(ErrorCode::kRefused, "08P01", "not allowed",
                          "Name the user in admin_users or stats_users."));
    }
    if (settings.log_connections && console_owner()) {
        log::info("{} pgbouncer access from unix socket", label());
    }
    return {};
}

net::Task<void> Session::serve_console() {
    Console console(*this);
    co_await console.run();
}

// --- The loop ---

bool Console::gone() const {
    return session_.ending_ || session_.client_->ended();
}

net::Task<void> Console::run() {
    ++worker_.console_stats.client_logins;
    net::Stream& client = *session_.client_;
    while (!session_.ending_) {
        if (client.congested()) {  // who does not read is not answered further
            if (client.end_error() != 0) {
                break;
            }
            client.pause();
            client.notify_when_drained();
            co_await session_.wake_.wait();
            client.resume();
            continue;
        }
        if (!co_await take_frame()) {
            if (session_.client_->ended() || session_.end_when_idle_) {
                break;
            }
            co_await session_.wake_.wait();
        }
    }
    if (suspended_) {
        co_await end_suspension();
    }
}

// Whoever suspended the process and left can no longer resume it.
net::Task<void> Console::end_suspension() {
    Control& control = worker_.shared().control();
    if (control.pause_mode() != PauseMode::kSuspend) {
        co_return;
    }
    log::info("admin disappeared when suspended, doing RESUME");
    control.set_pause_mode(PauseMode::kNone);
    co_await gather<int>(worker_, [](Worker& worker) {
        worker.apply_pauses();
        return 0;
    });
}

// Deals with the next message. False: it has not come yet.
net::Task<bool> Console::take_frame() {
    net::Stream& client = *session_.client_;
    const std::uint8_t* header = client.peek(wire::kHeaderBytes);
    if (header == nullptr) {
        co_return false;
    }
    wire::Frame frame;
    if (!wire::read_frame(header, frame) || frame.total_bytes() > kFrameBytesMax) {
        session_.fatal(Error(ErrorCode::kProtocol, "08P01", "incomplete pkt"));
        co_return true;
    }
    if (client.buffered() < frame.total_bytes()) {
        co_return false;
    }
    if (frame.type == 'X') {
        session_.said_goodbye_ = true;
        session_.ending_ = true;
    } else if (frame.type == 'Q') {
        wire::Reader reader(session_.body(frame));
        std::string text(reader.text());
        client.drop(frame.total_bytes());
        co_await take_query(std::move(text));
    } else {
        client.drop(frame.total_bytes());
        refuse_extended(frame.type);
    }
    co_return true;
}

// Only simple queries are understood. PgBouncer hangs up; PostgreSQL would answer and wait for
// Sync, and so do we where nobody expects PgBouncer.
void Console::refuse_extended(char type) {
    wire::Encoder answer;
    if (!worker_.config().pgbouncer && type == 'S') {
        session_.client_->write(answer.ready_for_query('I').view());
        session_.skip_to_sync_ = false;
        return;
    }
    const bool extended = std::string_view("PBDECHS").find(type) != std::string_view::npos;
    const Error error(ErrorCode::kProtocol, "08P01",
                      extended
                          ? "extended query protocol not supported by admin console"
                          : fmt::format("unsupported packet type for admin console: {}", int{type}),
                      "Use the simple query protocol.");
    if (!worker_.config().pgbouncer && extended) {
        if (!std::exchange(session_.skip_to_sync_, true)) {
            session_.client_->write(answer.error_response("ERROR", error).view());
        }
        return;
    }
    log::error("{}", error.message);
    session_.client_->write(answer.error_response("ERROR", error).view());
    session_.fatal(Error(ErrorCode::kProtocol, "08P01", "bad packet"));
}

Error Console::invalid_command() const {
    return Error(ErrorCode::kInvalidInput, "08P01",
                 fmt::format("invalid command '{}', use SHOW HELP;", text_));
}

void Console::send_error(const Error& error) {
    // What is no command may be anything, a password too: the client knows what it sent.
    const bool quotes = error.message.starts_with("invalid command '");
    log::error("{}", quotes ? std::string("invalid command") : error.message);
    wire::Encoder answer;
    answer.error_response("ERROR", error).ready_for_query('I');
    session_.client_->write(answer.view());
}

net::Task<void> Console::take_query(std::string text) {
    session_.requested_wall_us_ = worker_.loop().wall_us();
    session_.cancelled_ = false;
    const net::TimePoint started = worker_.loop().now();
    PoolStats& stats = worker_.console_stats;
    ++stats.queries;
    ++stats.transactions;
    text_ = text;
    auto command = parse_console_command(text);
    if (text.starts_with("SELECT pg_catalog.set_config(") || text.starts_with("RESET ")) {
        // A howdah in front of this one makes our parameters its client's: they change nothing
        // here.
        wire::Encoder answer;
        session_.client_->write(answer.command_complete("SELECT 0").ready_for_query('I').view());
    } else if (!command) {
        send_error(command.error());
    } else if (command->name.empty()) {
        wire::Encoder answer;
        session_.client_->write(answer.simple('I').ready_for_query('I').view());
    } else if (command->name == "show_fds") {
        send_error(invalid_command());
    } else if (command->name == "show" || command->name == "select") {
        co_await show(*command);
    } else {
        co_await execute(*command);
    }
    const auto took = static_cast<std::uint64_t>((worker_.loop().now() - started).count());
    stats.query_us += took;
    stats.transaction_us += took;
}

net::Task<void> Console::show(const ConsoleCommand& command) {
    const std::string name = lower(command.argument);
    wire::Encoder answer;
    if (name == "fds") {
        co_await execute({"show_fds", "", ""});
        co_return;
    }
    if (const auto* pretended = find_pretended(name); pretended != nullptr) {
        Table table{{std::string(pretended->first), kText}};
        table.rows.push_back({std::string(pretended->second)});
        encode_table(table, answer);
    } else if (name == "help") {
        encode_help(answer);
    } else if (const ShowCommand* found = find_show(name); found != nullptr) {
        const Table table = co_await found->make(worker_);
        encode_table(table, answer);
    } else {
        send_error(invalid_command());
        co_return;
    }
    answer.command_complete("SHOW").ready_for_query('I');
    session_.client_->write(answer.view());
}

net::Task<void> Console::execute(const ConsoleCommand& command) {
    if (command.name == "set" && find_pretended(command.argument) != nullptr) {
        wire::Encoder answer;
        answer.notice_response("NOTICE", Error(ErrorCode::kInvalidInput, "00000", "SET ignored"));
        answer.command_complete("SET").ready_for_query('I');
        session_.client_->write(answer.view());
        co_return;
    }
    const CommandEntry* entry = find_command(command.name);
    if (entry == nullptr || (!command.argument.empty() && !entry->takes_argument)) {
        send_error(invalid_command());
        co_return;
    }
    if (!is_admin()) {
        send_error(Error(ErrorCode::kRefused, "08P01", "admin access needed",
                         "Name the user in admin_users."));
        co_return;
    }
    auto tag = co_await entry->run(*this, command);
    if (gone()) {
        co_return;
    }
    if (!tag) {
        send_error(tag.error());
        co_return;
    }
    wire::Encoder answer;
    answer.command_complete(*tag).ready_for_query('I');
    session_.client_->write(answer.view());
}

net::Task<bool> Console::wait_until(std::function<bool(Worker&)> done) {
    while (!gone() && !session_.cancelled_) {
        bool all = true;
        for (const int here : co_await gather<int>(
                 worker_, [&done](Worker& worker) { return done(worker) ? 1 : 0; })) {
            all = all && here == 1;
        }
        if (all) {
            co_return true;
        }
        session_.deadline_.arm(worker_.loop().now() + kPollEvery);
        co_await session_.wake_.wait();
    }
    session_.deadline_.disarm();
    co_return false;
}

const ShowCommand* find_show(std::string_view name) {
    static constexpr ShowCommand kCommands[] = {{"clients", show_clients},
                                                {"servers", show_servers},
                                                {"sockets", show_sockets},
                                                {"active_sockets", show_active_sockets},
                                                {"pools", show_pools},
                                                {"peer_pools", show_peer_pools},
                                                {"peers", show_peers},
                                                {"databases", show_databases},
                                                {"users", show_users},
                                                {"lists", show_lists},
                                                {"mem", show_mem},
                                                {"stats", show_stats},
                                                {"stats_totals", show_stats_totals},
                                                {"stats_averages", show_stats_averages},
                                                {"totals", show_totals},
                                                {"config", show_config},
                                                {"state", show_state},
                                                {"version", show_version},
                                                {"dns_hosts", show_dns_hosts},
                                                {"dns_zones", show_dns_zones},
                                                {"queries", show_queries},
                                                {"findings", show_findings},
                                                {"queries_full", show_queries_full},
                                                {"findings_full", show_findings_full}};
    const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                     [&](const auto& entry) { return entry.name == name; });
    return found == std::end(kCommands) ? nullptr : found;
}

}  // namespace howdah::proxy
