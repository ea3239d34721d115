#include "tests/sim/sim_client.hpp"

#include "tests/sim/model_session.hpp"

namespace howdah::sim {

using namespace std::chrono_literals;

void Scene::fail(const std::string& what) {
    if (failures.size() < 20) {
        failures.push_back(std::to_string(loop.now().time_since_epoch().count()) + " us: " + what);
    }
}

void Scene::heard(const std::string& what) {
    ++answers;
    const auto mix = [this](std::uint64_t value) {
        hash = (hash ^ value) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    };
    mix(static_cast<std::uint64_t>(loop.now().time_since_epoch().count()));
    for (const char c : what) {
        mix(static_cast<unsigned char>(c));
    }
}

namespace {

std::string readable(std::string_view bytes) {
    std::string text;
    for (const char c : bytes.substr(0, 400)) {
        text.push_back(c < ' ' || c > '~' ? '.' : c);
    }
    return text;
}

}  // namespace

SimClient::SimClient(Scene& scene, std::uint64_t seed, int number)
    : scene_(scene),
      workload_(seed, number, scene.view),
      number_(number),
      event_(scene.loop),
      user_(number % 3 == 0 ? "bob" : "alice"),
      database_(number % 4 == 0 ? "shop" : "app") {}

std::string SimClient::describe() const {
    return session_ + ": " + std::to_string(done_) + " batches done, waits for '" + waiting_for_ +
           "'";
}

net::Task<void> SimClient::run() {
    while (!done()) {
        if (!co_await log_in()) {
            stream_.reset();
            co_await scene_.loop.sleep(100ms);
            continue;
        }
        Outcome outcome = Outcome::kGood;
        while (!done() && outcome == Outcome::kGood) {
            if (scene_.departures && workload_.prng().chance(0.03)) {
                co_await leave();
                outcome = Outcome::kLeft;
                break;
            }
            outcome = co_await serve(workload_.next(cautious_));
            if (outcome == Outcome::kGood) {
                ++done_;
                if (workload_.prng().chance(0.2)) {
                    const auto pause = static_cast<std::int64_t>(workload_.prng().below(20'000));
                    co_await scene_.loop.sleep(net::Duration(pause));
                }
            }
        }
        if (outcome == Outcome::kGood && stream_ != nullptr) {
            stream_->write(Message('X').take());
        }
        if (outcome == Outcome::kLost) {
            ++scene_.sessions_lost;
        }
        co_await cancels_.close();
        if (stream_ != nullptr) {
            stream_->set_listener(nullptr);
            stream_.reset();
        }
    }
    waiting_for_.clear();
}

net::Task<bool> SimClient::log_in() {
    session_ = "c" + std::to_string(number_) + "/" + std::to_string(++sessions_);
    waiting_for_ = "connect";
    transaction_.clear();
    fatal_ = false;
    cautious_ = false;
    auto connected = co_await scene_.loop.connect(scene_.proxy, scene_.loop.now() + 10s);
    if (!connected) {
        if (!scene_.rough) {
            scene_.fail(session_ + " could not connect: " + connected.error().message);
        }
        co_return false;
    }
    stream_ = std::move(*connected);
    stream_->set_listener(&event_);
    std::map<std::string, std::string> base;
    Message startup('x');
    startup.int32(196608).text("user").text(user_).text("database").text(database_);
    if (workload_.prng().chance(0.5)) {
        base["application_name"] = workload_.token();
        startup.text("application_name").text(base["application_name"]);
    }
    workload_.start(base);
    co_await speak(startup.raw(std::string(1, '\0')).take().substr(1));
    for (const std::string expected : {"R", "K", "Z I"}) {
        waiting_for_ = expected;
        auto message = co_await next();
        if (!message || message->text != expected) {
            if (!message || !lost(*message)) {
                if (!scene_.rough || message) {
                    scene_.fail(session_ + " logging in: expected " + expected + ", got " +
                                (message ? message->text : "the end"));
                }
            }
            co_return false;
        }
        if (message->type == 'K') {
            Fields fields(message->body);
            pid_ = fields.int32();
            key_ = fields.int32();
        }
    }
    co_return true;
}

// Sent in one go, or in two with a moment between.
net::Task<void> SimClient::speak(const std::string& bytes) {
    if (!workload_.prng().chance(0.2)) {
        stream_->write(bytes);
        co_return;
    }
    const std::size_t cut = workload_.prng().below(bytes.size());
    const std::string rest = bytes.substr(cut);
    stream_->write(std::string_view(bytes).substr(0, cut));
    co_await scene_.loop.sleep(
        net::Duration(static_cast<std::int64_t>(workload_.prng().below(5000))));
    stream_->write(rest);
}

// Closes the connection with a batch half said or half answered.
net::Task<void> SimClient::leave() {
    const Batch batch = workload_.next(false);
    const std::size_t part = workload_.prng().between(0, batch.bytes.size());
    stream_->write(std::string_view(batch.bytes).substr(0, part));
    co_await scene_.loop.sleep(
        net::Duration(static_cast<std::int64_t>(workload_.prng().below(3000))));
    stream_->set_listener(nullptr);
    if (workload_.prng().chance(0.5)) {
        stream_->abort();
    }
    stream_.reset();
}

net::Task<void> SimClient::send_cancel() {
    const std::uint32_t pid = pid_;
    const std::uint32_t key = key_;
    const auto after = static_cast<std::int64_t>(workload_.prng().below(20'000));
    co_await scene_.loop.sleep(net::Duration(after));
    auto connected = co_await scene_.loop.connect(scene_.proxy, scene_.loop.now() + 10s);
    if (!connected) {
        co_return;
    }
    const std::string request = Message('x').int32(80877102).int32(pid).int32(key).take();
    (*connected)->write(request.substr(1));
    net::Event event(scene_.loop);
    (*connected)->set_listener(&event);
    while (!(*connected)->ended()) {
        co_await event.wait();
    }
    (*connected)->set_listener(nullptr);
}

net::Task<SimClient::Outcome> SimClient::serve(Batch batch) {
    if (batch.wants_cancel) {
        cautious_ = true;
        cancels_.spawn(send_cancel());
    } else if (cautious_) {
        co_await scene_.loop.sleep(1ms);
    }
    co_await speak(batch.bytes);
    if (workload_.prng().chance(0.05)) {  // a slow reader
        stream_->pause();
        co_await scene_.loop.sleep(30ms);
        stream_->resume();
    }
    const Outcome outcome = co_await hear(batch);
    // One that has arrived can hit nothing that begins after the next transaction.
    if (cautious_ && !batch.wants_cancel && cancels_.running() == 0 &&
        workload_.oracle().status() == 'I') {
        cautious_ = false;
    }
    co_return outcome;
}

net::Task<SimClient::Outcome> SimClient::hear(const Batch& batch) {
    const Answers* wanted = &batch.answers;
    for (std::size_t i = 0; i < wanted->size(); ++i) {
        waiting_for_ = (*wanted)[i];
        auto message = co_await next();
        if (!message) {
            if (!scene_.rough) {
                scene_.fail(session_ + ": the connection ended, expected " + (*wanted)[i]);
            }
            co_return Outcome::kLost;
        }
        if (lost(*message)) {
            co_return Outcome::kLost;
        }
        if (i == 0 && !batch.when_cancelled.empty() && message->text == batch.when_cancelled[0]) {
            wanted = &batch.when_cancelled;
            workload_.was_cancelled();
            ++scene_.cancelled;
        }
        if (message->text != (*wanted)[i]) {
            scene_.fail(session_ + ": expected " + (*wanted)[i] + ", got " + message->text +
                        " (answer " + std::to_string(i + 1) + " of " +
                        std::to_string(wanted->size()) + " to '" + readable(batch.bytes) + "')");
            co_return Outcome::kLost;
        }
    }
    if (time_zone_ != workload_.oracle().value_of("TimeZone")) {
        scene_.fail(session_ + ": was told that TimeZone is " + time_zone_ + ", it is " +
                    workload_.oracle().value_of("TimeZone"));
    }
    co_return Outcome::kGood;
}

// FATAL: allowed only while things break.
bool SimClient::lost(const Heard& message) {
    if (!fatal_) {
        return false;
    }
    if (!scene_.rough) {
        scene_.fail(session_ + ": " + message.text + " (FATAL): " + message.body);
    }
    return true;
}

// The next message that answers something; nothing at the end of the connection.
net::Task<std::optional<SimClient::Heard>> SimClient::next() {
    while (true) {
        const std::uint8_t* head = stream_->peek(5);
        if (head != nullptr) {
            const std::string size(reinterpret_cast<const char*>(head) + 1, 4);
            const std::size_t whole = 1 + Fields(size).int32();
            if (const std::uint8_t* frame = stream_->peek(whole)) {
                Heard heard;
                heard.type = static_cast<char>(frame[0]);
                heard.body.assign(reinterpret_cast<const char*>(frame) + 5, whole - 5);
                stream_->drop(whole);
                heard.text = short_text(heard.type, heard.body);
                scene_.heard(session_ + heard.text);
                if (heard.type != 'S' && heard.type != 'N') {
                    co_return heard;
                }
                continue;
            }
        }
        if (stream_->ended()) {
            co_return std::nullopt;
        }
        co_await event_.wait();
    }
}

std::string SimClient::short_text(char type, const std::string& body) {
    Fields fields(body);
    const std::string letter(1, type);
    switch (type) {
        case 'S':
            take_status(body);
            return letter;
        case 'C':
            return letter + " " + fields.text();
        case 'Z': {
            const char status = fields.byte();
            if (status == 'I') {
                transaction_.clear();
            }
            return letter + " " + status;
        }
        case 'D': {
            take_row(body);
            fields.int16();
            return letter + " " + fields.counted().value_or("NULL");
        }
        case 'E': {
            std::string state;
            for (std::string field = fields.text(); !field.empty(); field = fields.text()) {
                state = field[0] == 'C' ? field.substr(1) : state;
                fatal_ = fatal_ || (field[0] == 'V' && field.substr(1) == "FATAL");
            }
            return letter + " " + state;
        }
        default:
            return letter;
    }
}

void SimClient::take_status(const std::string& body) {
    Fields fields(body);
    if (const std::string name = fields.text(); name == "TimeZone") {
        time_zone_ = fields.text();
    }
}

// A transaction of a backend is one session's, and a session's transaction is on one backend.
void SimClient::take_row(const std::string& body) {
    Fields fields(body);
    if (fields.int16() != 3) {
        return;
    }
    fields.counted();
    const std::string backend = fields.counted().value_or("");
    const std::string position = fields.counted().value_or("");
    if (fields.bad() || position.empty()) {
        scene_.fail(session_ + ": a row that cannot be: " + readable(body));
        return;
    }
    const std::string mine = backend + "#" + position.substr(1, position.find('.') - 1);
    const std::string& holder = scene_.transactions.try_emplace(mine, session_).first->second;
    if (holder != session_) {
        scene_.fail("transaction " + mine + " is used by " + holder + " and " + session_);
    }
    if (position[0] == 'T' && !transaction_.empty() && transaction_ != mine) {
        scene_.fail(session_ + " was in transaction " + transaction_ + " and is now in " + mine);
    }
    if (position[0] == 'T') {
        transaction_ = mine;
    }
}

}  // namespace howdah::sim
