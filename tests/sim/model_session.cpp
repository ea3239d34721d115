// The messages of one backend: start-up, simple and extended queries, COPY.

#include "tests/sim/model_session.hpp"

#include <algorithm>

namespace howdah::sim {
namespace {

constexpr std::uint32_t kSslRequest = 80877103;
constexpr std::uint32_t kGssRequest = 80877104;
constexpr std::uint32_t kCancelRequest = 80877102;
constexpr std::size_t kFrameMax = 16U << 20;

std::uint32_t read_length(const std::uint8_t* at) {
    return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
           at[3];
}

// The statements of a simple query: divided by semicolons outside quotes, empty ones left out.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> found(1);
    bool quoted = false;
    for (const char c : text) {
        quoted = c == '\'' ? !quoted : quoted;
        if (c == ';' && !quoted) {
            found.emplace_back();
        } else {
            found.back().push_back(c);
        }
    }
    std::erase_if(found, [](const std::string& one) {
        return one.find_first_not_of(" \t\r\n") == std::string::npos;
    });
    return found;
}

}  // namespace

ModelSession::ModelSession(ModelServer& server, net::Stream& stream)
    : server_(server),
      stream_(stream),
      event_(stream.loop()),
      pid_(server.next_pid_++),
      key_(pid_ * 2654435761U ^ 0x5eed5eedU) {
    stream_.set_listener(&event_);
    ++server_.counters_.connections;
    server_.counters_.connections_peak =
        std::max(server_.counters_.connections_peak, server_.counters_.connections);
}

ModelSession::~ModelSession() {
    stream_.set_listener(nullptr);
    --server_.counters_.connections;
    if (registered_) {
        server_.sessions_.erase(pid_);
    }
    if (status_ != Status::kIdle) {
        ++server_.counters_.left_in_transaction;
    }
}

void ModelSession::cancel() {
    if (running_) {
        ++server_.counters_.cancels_hit;
        cancelled_ = true;
        event_.notify();
    } else {
        ++server_.counters_.cancels_idle;
    }
}

void ModelSession::terminate() {
    terminated_ = true;
    event_.notify();
}

net::Task<void> ModelSession::run() {
    if (!co_await start_up()) {
        co_return;
    }
    while (!closing_) {
        auto frame = co_await read_frame();
        if (!frame || !co_await handle(std::move(*frame))) {
            co_return;
        }
        while (stream_.congested() && !stream_.ended()) {
            stream_.notify_when_drained();
            co_await event_.wait();
        }
    }
}

net::Task<bool> ModelSession::wait_for(std::size_t bytes) {
    while (stream_.buffered() < bytes) {
        if (terminated_) {
            fatal({"57P01", "terminating connection due to administrator command"});
            co_return false;
        }
        if (stream_.ended()) {
            co_return false;
        }
        co_await event_.wait();
    }
    co_return true;
}

net::Task<std::optional<std::string>> ModelSession::read_startup() {
    if (!co_await wait_for(4)) {
        co_return std::nullopt;
    }
    const std::uint32_t length = read_length(stream_.peek(4));
    if (length < 8 || length > 10'000) {
        violation("invalid length of startup packet");
        co_return std::nullopt;
    }
    if (!co_await wait_for(length)) {
        co_return std::nullopt;
    }
    std::string body(reinterpret_cast<const char*>(stream_.peek(length)) + 4, length - 4);
    stream_.drop(length);
    co_return body;
}

net::Task<std::optional<ModelSession::Frame>> ModelSession::read_frame() {
    if (!co_await wait_for(5)) {
        co_return std::nullopt;
    }
    const std::uint8_t* head = stream_.peek(5);
    Frame frame;
    frame.type = static_cast<char>(head[0]);
    const std::uint32_t length = read_length(head + 1);
    if (length < 4 || length > kFrameMax) {
        violation("invalid message length");
        co_return std::nullopt;
    }
    if (!co_await wait_for(std::size_t{1} + length)) {
        co_return std::nullopt;
    }
    frame.body.assign(reinterpret_cast<const char*>(stream_.peek(std::size_t{1} + length)) + 5,
                      length - 4);
    stream_.drop(std::size_t{1} + length);
    co_return frame;
}

net::Task<bool> ModelSession::start_up() {
    while (true) {
        auto body = co_await read_startup();
        if (!body) {
            co_return false;
        }
        Fields fields(*body);
        const std::uint32_t code = fields.int32();
        if (code == kSslRequest || code == kGssRequest) {
            stream_.write("N");
        } else if (code == kCancelRequest) {
            const std::uint32_t pid = fields.int32();
            server_.cancel(pid, fields.int32());
            co_return false;
        } else if (code >> 16 == 3) {
            if ((code & 0xffffU) > 0) {
                send(Message('v').int32(0).int32(0));  // 3.0 is the newest here
            }
            co_return co_await log_in(body->substr(4));
        } else {
            violation("unsupported frontend protocol");
            co_return false;
        }
    }
}

net::Task<bool> ModelSession::log_in(const std::string& body) {
    Fields fields(body);
    for (std::string name = fields.text(); !name.empty() && !fields.bad(); name = fields.text()) {
        const std::string value = fields.text();
        if (name == "user") {
            user_ = value;
        } else if (name == "database") {
            database_ = value;
        } else {
            parameters_[name] = value;
        }
    }
    if (!server_.options_.password.empty()) {
        send(Message('R').int32(3));
        auto answer = co_await read_frame();
        if (!answer || answer->type != 'p' ||
            Fields(answer->body).text() != server_.options_.password) {
            ++server_.counters_.logins_refused;
            fatal({"28P01", "password authentication failed for user \"" + user_ + "\""});
            co_return false;
        }
    }
    const bool full = server_.counters_.connections > server_.options_.connections_max;
    if (server_.refusing_ || full) {
        ++server_.counters_.logins_refused;
        fatal(full ? SqlError{"53300", "sorry, too many clients already"}
                   : SqlError{"57P03", "the database system is starting up"});
        co_return false;
    }
    ++server_.counters_.logins;
    server_.sessions_[pid_] = this;
    registered_ = true;
    send(Message('R').int32(0));
    for (const char* name : {"application_name", "client_encoding", "DateStyle", "TimeZone"}) {
        send(Message('S').text(name).text(value_of(name)));
    }
    send(Message('S').text("server_version").text("15.0"));
    send(Message('K').int32(pid_).int32(key_));
    ready();
    co_return true;
}

net::Task<bool> ModelSession::handle(Frame frame) {
    if (frame.type == 'X') {
        co_return false;
    }
    if (skipping_ && frame.type != 'S') {
        co_return true;
    }
    switch (frame.type) {
        case 'Q':
            co_await simple_query(Fields(frame.body).text());
            break;
        case 'P':
            parse(frame.body);
            break;
        case 'B':
            bind(frame.body);
            break;
        case 'D':
            describe(frame.body);
            break;
        case 'E':
            co_await execute(std::move(frame.body));
            break;
        case 'C':
            close(frame.body);
            break;
        case 'S':
            sync();
            break;
        case 'H':  // Flush: everything leaves at the end of the turn anyhow
        case 'd':  // of a COPY that has failed already
        case 'c':
        case 'f':
            break;
        case 'F':
            send(Message('V').int32(-1));
            ready();
            break;
        default:
            violation(std::string("invalid frontend message type ") + frame.type);
            co_return false;
    }
    co_return true;
}

net::Task<void> ModelSession::simple_query(std::string text) {
    statements_.erase("");
    portals_.erase("");
    const std::vector<std::string> all = split(text);
    if (all.empty()) {
        send(Message('I'));
    }
    for (const std::string& sql : all) {
        auto answer = co_await carry_out(sql, nullptr);
        if (!answer) {
            error(*problem_);
            break;
        }
        if (answer->has_rows) {
            row_description(sql);
            for (const std::string& row : answer->rows) {
                send_row(row, answer->is_show);
            }
            for (const Rows& row : answer->table) {
                send_table_row(row);
            }
        }
        if (!server_.sabotaged(Sabotage::kLoseAnswer, 50)) {
            send(Message('C').text(answer->tag));
        }
    }
    if (implicit_) {
        end_transaction(!problem_);
    }
    problem_.reset();
    ready();
}

void ModelSession::parse(const std::string& body) {
    Fields fields(body);
    const std::string name = fields.text();
    const std::string sql = fields.text();
    if (name.empty()) {
        statements_.erase("");  // whatever becomes of the new one
    }
    if (refuses(sql)) {
        return;
    }
    if (!name.empty() && statements_.contains(name)) {
        error({"42P05", "prepared statement \"" + name + "\" already exists"});
        return;
    }
    statements_[name] = sql;
    send(Message('1'));
}

void ModelSession::bind(const std::string& body) {
    Fields fields(body);
    const std::string portal = fields.text();
    const std::string name = fields.text();
    const auto found = statements_.find(name);
    if (found == statements_.end()) {
        error({"26000", name.empty() ? "unnamed prepared statement does not exist"
                                     : "prepared statement \"" + name + "\" does not exist"});
        return;
    }
    for (std::uint32_t formats = fields.int16(); formats > 0 && !fields.bad(); --formats) {
        fields.int16();
    }
    Portal made;
    made.sql = found->second;
    if (server_.sabotaged(Sabotage::kSwapStatement, 20)) {
        made.sql = statements_.rbegin()->second;
    }
    for (std::uint32_t count = fields.int16(); count > 0 && !fields.bad(); --count) {
        made.parameters.push_back(fields.counted());
    }
    if (fields.bad()) {
        error({"08P01", "insufficient data left in message"});
        return;
    }
    if (refuses(made.sql)) {
        return;
    }
    begin();
    portals_[portal] = std::move(made);
    send(Message('2'));
}

void ModelSession::describe(const std::string& body) {
    Fields fields(body);
    const char kind = fields.byte();
    const std::string name = fields.text();
    if (kind == 'S') {
        const auto found = statements_.find(name);
        if (found == statements_.end()) {
            error({"26000", "prepared statement \"" + name + "\" does not exist"});
            return;
        }
        if (returns_rows(found->second) && refuses(found->second)) {
            return;
        }
        const bool takes_one = found->second.find("$1") != std::string::npos;
        send(takes_one ? std::move(Message('t').int16(1).int32(25)) : Message('t').int16(0));
        row_description(found->second);
        return;
    }
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        error({"34000", "portal \"" + name + "\" does not exist"});
        return;
    }
    if (!returns_rows(found->second.sql) || !refuses(found->second.sql)) {
        row_description(found->second.sql);
    }
}

net::Task<void> ModelSession::execute(std::string body) {
    Fields fields(body);
    const std::string name = fields.text();
    const std::uint32_t rows_max = fields.int32();
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        error({"34000", "portal \"" + name + "\" does not exist"});
        co_return;
    }
    if (split(found->second.sql).empty()) {
        send(Message('I'));
        co_return;
    }
    Portal portal = found->second;
    auto answer = co_await carry_out(portal.sql, &portal);
    if (!answer) {
        error(*problem_);
        problem_.reset();
        co_return;
    }
    std::size_t sent = 0;
    for (std::size_t i = portal.rows_sent; i < answer->rows.size(); ++i) {
        if (rows_max != 0 && sent == rows_max) {
            break;
        }
        send_row(answer->rows[i], answer->is_show);
        ++sent;
    }
    portal.rows_sent += sent;
    const bool suspended = portal.rows_sent < answer->rows.size();
    if (const auto again = portals_.find(name); again != portals_.end()) {
        again->second.rows_sent = portal.rows_sent;
    }
    send(suspended ? Message('s') : std::move(Message('C').text(answer->tag)));
}

void ModelSession::close(const std::string& body) {
    Fields fields(body);
    if (fields.byte() == 'S') {
        statements_.erase(fields.text());
    } else {
        portals_.erase(fields.text());
    }
    send(Message('3'));
}

void ModelSession::sync() {
    if (implicit_) {
        end_transaction(!skipping_);
    }
    skipping_ = false;
    ready();
}

net::Task<bool> ModelSession::copy_in(std::string table) {
    send(Message('G').raw(std::string(1, '\0')).int16(0));
    std::uint64_t lines = 0;
    while (true) {
        auto frame = co_await read_frame();
        if (!frame) {
            closing_ = true;
            problem_ = SqlError{"08006", "connection lost during COPY"};
            co_return false;
        }
        if (frame->type == 'd') {
            lines += static_cast<std::uint64_t>(
                std::count(frame->body.begin(), frame->body.end(), '\n'));
        } else if (frame->type == 'c') {
            copied_[table] = lines;
            co_return true;
        } else if (frame->type == 'f') {
            problem_ = SqlError{"57014", "COPY from stdin failed: " + Fields(frame->body).text()};
            co_return false;
        } else if (frame->type != 'H' && frame->type != 'S') {
            problem_ = SqlError{"08P01", "unexpected message type during COPY from stdin"};
            co_return false;
        }
    }
}

void ModelSession::copy_out() {
    send(Message('H').raw(std::string(1, '\0')).int16(0));
    for (const char* line : {"one\n", "two\n", "three\n"}) {
        send(Message('d').raw(line));
    }
    send(Message('c'));
}

void ModelSession::error(const SqlError& problem) {
    ++server_.counters_.errors;
    send(Message('E')
             .text("SERROR")
             .text("VERROR")
             .text("C" + problem.state)
             .text("M" + problem.message)
             .raw(std::string(1, '\0')));
    skipping_ = true;
    if (status_ == Status::kInTransaction) {
        status_ = Status::kFailed;
    }
}

void ModelSession::fatal(const SqlError& problem) {
    send(Message('E')
             .text("SFATAL")
             .text("VFATAL")
             .text("C" + problem.state)
             .text("M" + problem.message)
             .raw(std::string(1, '\0')));
    closing_ = true;
}

void ModelSession::violation(const std::string& what) {
    ++server_.counters_.protocol_violations;
    fatal({"08P01", what});
}

void ModelSession::ready() {
    skipping_ = false;
    send(Message('Z').raw(std::string(1, static_cast<char>(status_))));
}

}  // namespace howdah::sim
