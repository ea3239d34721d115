// The production Session, Worker and Pool on the simulated network, where one side says whatever
// the input says: a client to the model server, or a server to a client that behaves.
//
//     byte 0: bits 0-1 pool mode (3: the server is the one that misbehaves)
//             bit 2    from the first byte on, without a login that is in order
//             bit 3    a client: on the console's database
//             bit 4-5  auth_type trust, plain, md5, scram-sha-256
//             bit 6    bytes travel in pieces of 1 to 7
//     then steps: type, flags, size, body. flags: 1 no header, the body as it is; 2 the body's own
//             first four bytes are the length; 4 wait until all is quiet; 8 sixteen times
//
// Beyond not crashing: everybody is done in bounded time when the connection closes; what a client
// is sent are whole frames; and a client that comes after sees the same as one that came before.
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "net/sim_loop.hpp"
#include "proxy/worker.hpp"
#include "tests/sim/model_server.hpp"
#include "tests/sim/model_session.hpp"

namespace howdah::sim {
namespace {

using namespace std::chrono_literals;

constexpr net::Duration kQuiet = 20ms;
constexpr net::Duration kEndMax = 10min;

struct Step {
    std::string bytes;
    bool waits = false;
};

struct Input {
    explicit Input(std::span<const std::uint8_t> data) {
        const std::uint8_t flags = data[0];
        mode = flags & 3U;
        raw_login = (flags & 4U) != 0;
        console = (flags & 8U) != 0 && !server_is_bad();
        auth = (flags >> 4U) & 3U;
        cut = (flags & 64U) != 0;
        data = data.subspan(1);
        while (data.size() >= 3) {
            const std::size_t size = std::min<std::size_t>(data[2], data.size() - 3);
            steps.push_back(
                step(data[0], data[1], {reinterpret_cast<const char*>(data.data()) + 3, size}));
            data = data.subspan(3 + size);
        }
    }
    bool server_is_bad() const { return mode == 3; }

    unsigned mode = 0;
    unsigned auth = 0;
    bool raw_login = false;
    bool console = false;
    bool cut = false;
    std::vector<Step> steps;

  private:
    static Step step(std::uint8_t type, std::uint8_t flags, const std::string& body) {
        Step made{.bytes = body, .waits = (flags & 4U) != 0};
        if ((flags & 1U) == 0) {
            const bool lies = (flags & 2U) != 0;
            Message message(static_cast<char>(type));
            made.bytes =
                lies ? std::string(1, static_cast<char>(type)) + body : message.raw(body).take();
        }
        const std::string once = made.bytes;
        for (int i = 0; i < 15 && (flags & 8U) != 0; ++i) {
            made.bytes += once;
        }
        return made;
    }
};

net::Address server_address() {
    return *net::Address::numeric("10.0.0.1", 5432);
}
net::Address proxy_address() {
    return *net::Address::numeric("10.0.0.2", 6432);
}

config::ConfigPtr load_config(const Input& input) {
    constexpr std::array kModes = {"session", "transaction", "statement", "transaction"};
    constexpr std::array kAuth = {"trust", "plain", "md5", "scram-sha-256"};
    config::LoadRequest request;
    request.upstream = "host=10.0.0.1 port=5432 sslmode=disable";
    request.environment = [](std::string_view) { return std::nullopt; };
    request.overrides = {
        {"auth_type", kAuth[input.auth]},
        {"pool_mode", kModes[input.mode]},
        {"default_pool_size", "1"},
        {"max_prepared_statements", "2"},
        {"server_login_retry", "1"},
        {"server_tls_sslmode", "disable"},
        {"client_tls_sslmode", "disable"},
        {"query_wait_timeout", "20"},
        {"query_timeout", "20"},
        {"client_login_timeout", "20"},
        {"server_connect_timeout", "5"},
        {"admin_users", "alice"},
        {"log_stats", "0"},
        {"log_connections", "0"},
        {"log_disconnections", "0"},
        {"log_pooler_errors", "0"},
    };
    const config::LoadOutcome outcome = config::load(request);
    for (const auto& diagnostic : outcome.diagnostics) {
        if (outcome.config == nullptr) {
            log::error("{}", diagnostic.text());
        }
    }
    ASSERT(outcome.config != nullptr);
    auto made = std::make_shared<config::Config>(*outcome.config);
    auto users = std::make_shared<config::Userlist>();
    users->add("alice", wire::Secret("pencil"));
    made->userlist = users;
    made->users.try_emplace("alice");
    return made;
}

config::ConfigPtr config_for(const Input& input) {
    static std::array<std::array<config::ConfigPtr, 4>, 4> made;
    config::ConfigPtr& one = made[input.mode][input.auth];
    if (one == nullptr) {
        one = load_config(input);
    }
    return one;
}

std::string startup(const char* database) {
    std::string packet = Message('x')
                             .int32(196608)
                             .text("user")
                             .text("alice")
                             .text("database")
                             .text(database)
                             .raw(std::string(1, '\0'))
                             .take();
    return packet.substr(1);
}

std::string query(std::string_view sql) {
    return Message('Q').text(sql).take();
}

std::string extended_query() {
    return Message('P').text("mine").text("SELECT $1").int16(0).take() +
           Message('B').text("").text("mine").int16(0).int16(1).counted("x").int16(0).take() +
           Message('D').raw("P").text("").take() + Message('E').text("").int32(0).take() +
           Message('S').take();
}

// One end of a connection, driven from outside of coroutines.
class Peer {
  public:
    explicit Peer(net::SimLoop& loop) : loop_(loop), event_(loop) {}
    ~Peer() { close(); }

    void connect() {
        tasks_.spawn(connect_task());
        loop_.run_until([this] { return tasks_.running() == 0; }, 20s);
    }
    void adopt(std::unique_ptr<net::Stream> stream) {
        stream_ = std::move(stream);
        stream_->set_listener(&event_);
    }
    bool open() const { return stream_ != nullptr && !stream_->ended(); }
    void say(std::string_view bytes) {
        if (open()) {
            stream_->write(bytes);
        }
    }
    // What has come since the last time.
    std::string take() {
        std::string all;
        while (stream_ != nullptr && stream_->buffered() > 0) {
            const auto front = stream_->front();
            all.append(reinterpret_cast<const char*>(front.data()), front.size());
            stream_->drop(front.size());
        }
        return all;
    }
    void close() {
        if (stream_ != nullptr) {
            stream_->set_listener(nullptr);
            stream_.reset();
        }
    }

  private:
    net::Task<void> connect_task() {
        auto made = co_await loop_.connect(proxy_address(), loop_.now() + 10s);
        if (made) {
            adopt(std::move(*made));
        }
    }
    net::SimLoop& loop_;
    net::Event event_;
    net::TaskGroup tasks_;
    std::unique_ptr<net::Stream> stream_;
};

// Whole frames of the types that a server sends; the last one may be cut off.
void check_frames(std::string_view bytes) {
    while (bytes.size() >= 5) {
        const std::size_t body = Fields(bytes.substr(1, 4)).int32();
        ASSERT(bytes[0] > ' ' && bytes[0] <= '~' && body >= 4 && body < 0x80000000U);
        bytes.remove_prefix(std::min(bytes.size(), 1 + body));
    }
}

// The first column of each row, and the errors.
std::string values(std::string_view bytes) {
    std::string found;
    while (bytes.size() >= 5) {
        const std::size_t whole = 1 + Fields(bytes.substr(1, 4)).int32();
        if (whole > bytes.size()) {
            return found + "(cut)";
        }
        Fields fields(bytes.substr(5, whole - 5));
        if (bytes[0] == 'D') {
            fields.int16();
            found += fields.counted().value_or("NULL") + "|";
        } else if (bytes[0] == 'E') {
            found += "error " + std::string(bytes.substr(5, whole - 5)) + "|";
        }
        bytes.remove_prefix(whole);
    }
    return found;
}

class World {
  public:
    explicit World(const Input& input)
        : input_(input),
          loop_(1, faults(input)),
          model_(loop_, {}),
          shared_(config_for(input)),
          worker_(loop_, shared_, 0) {
        shared_.workers.push_back(&worker_);
        shared_.control().post_to_main = [](const std::function<void()>&) { return false; };
        server_fd_ = loop_.listen(server_address());
        loop_.start_accept(server_fd_, [this](net::Accepted accepted) {
            auto stream = loop_.adopt(accepted.fd, accepted.peer);
            if (input_.server_is_bad()) {
                servers_.spawn(misbehave(std::move(stream)));
            } else {
                servers_.spawn(model_.serve(std::move(stream)));
            }
        });
        proxy_fd_ = loop_.listen(proxy_address());
        loop_.start_accept(proxy_fd_,
                           [this](net::Accepted accepted) { worker_.accept(std::move(accepted)); });
        house_.spawn(worker_.keep_house());
    }

    void run() {
        if (input_.server_is_bad()) {
            ask_bad_server();
        } else {
            const std::string before = witness();
            speak_badly();
            rest();
            const std::string after = witness();
            if (before != after) {
                log::error("before: {}, after: {}", before, after);
            }
            ASSERT(before == after);
        }
        rest();
        house_.spawn(worker_.shut_down());
        ASSERT(loop_.run_until([this] { return house_.running() == 0; }, kEndMax));
        loop_.close_listener(proxy_fd_);
        ASSERT(loop_.run_until([this] { return servers_.running() == 0; }, kEndMax));
        ASSERT(loop_.run_until([this] { return loop_.open_connections() == 0; }, kEndMax));
        ASSERT(loop_.blocks().blocks_in_use() == 0);
    }

  private:
    static net::SimFaults faults(const Input& input) {
        net::SimFaults made;
        made.piece_max = input.cut ? 7 : 16384;
        return made;
    }
    void quiet() {
        loop_.run_until([] { return false; }, kQuiet);
    }
    void rest() {
        ASSERT(loop_.run_until([this] { return worker_.sessions().empty(); }, kEndMax));
    }

    // Somebody else. What it sees must not depend on who was there before.
    std::string witness() {
        if (input_.auth != 0 || input_.console) {
            return {};  // the console may pause or shut down everything
        }
        Peer peer(loop_);
        peer.connect();
        peer.say(startup("app") + query("SELECT state") + query("SELECT 'witness'") +
                 extended_query());
        std::string seen;
        ASSERT(loop_.run_until(
            [&] {
                seen += peer.take();
                return !peer.open() || count_ready(seen) == 4;
            },
            kEndMax));
        return values(seen);
    }
    static std::size_t count_ready(std::string_view bytes) {
        std::size_t count = 0;
        while (bytes.size() >= 5) {
            const std::size_t whole = 1 + Fields(bytes.substr(1, 4)).int32();
            count += bytes[0] == 'Z' && whole <= bytes.size() ? 1 : 0;
            bytes.remove_prefix(std::min(bytes.size(), whole));
        }
        return count;
    }

    void speak_badly() {
        Peer peer(loop_);
        peer.connect();
        if (!input_.raw_login) {
            peer.say(startup(input_.console ? "howdah" : "app"));
            quiet();
        }
        std::string heard;
        for (const Step& step : input_.steps) {
            peer.say(step.bytes);
            if (step.waits) {
                quiet();
                heard += peer.take();
            }
        }
        quiet();
        heard += peer.take();
        if (!input_.raw_login) {
            check_frames(heard);
        }
    }

    void ask_bad_server() {
        Peer peer(loop_);
        peer.connect();
        peer.say(startup("app"));
        quiet();
        for (const std::string& said : {query("SELECT 'a'"), extended_query(), query("BEGIN"),
                                        query("SELECT 'b'"), query("COMMIT")}) {
            peer.say(said);
            quiet();
        }
        loop_.run_until([&] { return !peer.open(); }, 60s);
        check_frames(peer.take());
    }

    // What the input says, a step for each time that something comes.
    net::Task<void> misbehave(std::unique_ptr<net::Stream> stream) {
        net::Event event(loop_);
        stream->set_listener(&event);
        if (!input_.raw_login) {
            stream->write(Message('R').int32(0).take() + Message('K').int32(7).int32(8).take() +
                          Message('Z').raw("I").take());
        }
        for (const Step& step : input_.steps) {
            if (step.waits && !stream->ended()) {
                co_await event.wait();
                stream->drop(stream->buffered());
            }
            if (stream->ended()) {
                break;
            }
            stream->write(step.bytes);
        }
        co_await loop_.sleep(kQuiet);
        stream->set_listener(nullptr);
    }

    const Input& input_;
    net::SimLoop loop_;
    ModelServer model_;
    proxy::Shared shared_;
    proxy::Worker worker_;
    net::TaskGroup house_;
    net::TaskGroup servers_;
    int server_fd_ = 0;
    int proxy_fd_ = 0;
};

}  // namespace
}  // namespace howdah::sim

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 4096) {
        return 0;
    }
    static const bool kQuiet =
        howdah::log::configure({.level = howdah::log::Level::kError, .file = ""}).has_value();
    ASSERT(kQuiet);
    const howdah::sim::Input input({data, size});
    howdah::sim::World(input).run();
    return 0;
}
