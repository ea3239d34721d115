// The model server by itself, asked over simulated connections by a client that knows only frames.

#include "tests/sim/model_server.hpp"

#include <gtest/gtest.h>

#include "net/sim_loop.hpp"
#include "tests/sim/model_session.hpp"

namespace howdah::sim {
namespace {

using namespace std::chrono_literals;

net::Address server_address() {
    return *net::Address::numeric("10.0.0.1", 5432);
}

// Backend messages in short: 'D[a|b]' for a row, 'C[tag]', 'E[state]', 'Z[status]', else the type.
std::string shortened(char type, const std::string& body) {
    Fields fields(body);
    std::string text(1, type);
    if (type == 'D') {
        const std::uint32_t columns = fields.int16();
        for (std::uint32_t i = 0; i < columns; ++i) {
            text += (i == 0 ? "[" : "|") + fields.counted().value_or("NULL");
        }
        return text + "]";
    }
    if (type == 'C') {
        return "C[" + fields.text() + "]";
    }
    if (type == 'Z') {
        return std::string("Z[") + fields.byte() + "]";
    }
    if (type == 'E') {
        for (std::string field = fields.text(); !field.empty(); field = fields.text()) {
            if (field[0] == 'C') {
                return "E[" + field.substr(1) + "]";
            }
        }
    }
    return text;
}

class Client {
  public:
    explicit Client(net::SimLoop& loop) : loop_(loop) {}

    net::Task<void> start() {
        auto stream = co_await loop_.connect(server_address(), loop_.now() + 5s);
        EXPECT_TRUE(stream.has_value());
        stream_ = std::move(*stream);
        std::string body = Message('x')
                               .int32(196608)
                               .text("user")
                               .text("alice")
                               .text("database")
                               .text("app")
                               .raw(std::string(1, '\0'))
                               .take();
        stream_->write(body.substr(1));
        login = co_await until('Z');
    }
    void put(Message message) { stream_->write(message.take()); }
    void query(const std::string& sql) { put(std::move(Message('Q').text(sql))); }
    // All messages up to one of this type, in short.
    net::Task<std::string> until(char last) {
        net::Event event(loop_);
        stream_->set_listener(&event);
        std::string all;
        while (true) {
            const std::uint8_t* head = stream_->peek(5);
            if (head != nullptr) {
                const char type = static_cast<char>(head[0]);
                const std::string size(reinterpret_cast<const char*>(head) + 1, 4);
                const std::size_t whole = 1 + Fields(size).int32();
                if (const std::uint8_t* frame = stream_->peek(whole)) {
                    const std::string body(reinterpret_cast<const char*>(frame) + 5, whole - 5);
                    all += (all.empty() ? "" : " ") + shortened(type, body);
                    if (type == 'K') {
                        Fields key(body);
                        pid = key.int32();
                        secret = key.int32();
                    }
                    stream_->drop(whole);
                    if (type == last) {
                        break;
                    }
                    continue;
                }
            }
            if (stream_->ended()) {
                all += " closed";
                break;
            }
            co_await event.wait();
        }
        stream_->set_listener(nullptr);
        co_return all;
    }
    net::Task<std::string> ask(std::string sql) {
        query(sql);
        co_return co_await until('Z');
    }
    void close() { stream_.reset(); }

    std::string login;
    std::uint32_t pid = 0;
    std::uint32_t secret = 0;

  private:
    net::SimLoop& loop_;
    std::unique_ptr<net::Stream> stream_;
};

class ModelTest : public testing::Test {
  protected:
    void SetUp() override {
        listening_ = loop_.listen(server_address());
        loop_.start_accept(listening_, [this](net::Accepted accepted) {
            group_.spawn(server_.serve(loop_.adopt(accepted.fd, accepted.peer)));
        });
    }
    // Runs `script` with one client that is logged in.
    void run(std::function<net::Task<void>(Client&)> script) {
        script_ = std::move(script);
        group_.spawn([](ModelTest& test) -> net::Task<void> {
            Client client(test.loop_);
            co_await client.start();
            co_await test.script_(client);
        }(*this));
        EXPECT_TRUE(loop_.run_until([this] { return group_.running() == 0; }, 10min));
    }

    static net::SimFaults slices() {
        net::SimFaults faults;
        faults.piece_max = 7;
        return faults;
    }
    net::SimLoop loop_{42, slices()};
    ModelServer server_{loop_, ModelOptions{}};
    net::TaskGroup group_;
    std::function<net::Task<void>(Client&)> script_;
    int listening_ = 0;
};

TEST_F(ModelTest, LogsInAndSaysWhereAnAnswerComesFrom) {
    run([](Client& client) -> net::Task<void> {
        EXPECT_EQ(client.login, "R S S S S S K Z[I]");
        EXPECT_EQ(co_await client.ask("SELECT 'token-1'"),
                  "T D[token-1|primary/1|I1.1] C[SELECT 1] Z[I]");
        EXPECT_EQ(co_await client.ask("SELECT state"),
                  "T D[user=alice database=app|primary/1|I2.1] C[SELECT 1] Z[I]");
        EXPECT_EQ(co_await client.ask(""), "I Z[I]");
        EXPECT_EQ(co_await client.ask("VACUUM"), "E[42601] Z[I]");
    });
    EXPECT_EQ(server_.counters().logins, 1u);
    EXPECT_EQ(server_.counters().connections, 0u);
}

TEST_F(ModelTest, TransactionsFailAndRollBackWhatWasSet) {
    run([](Client& client) -> net::Task<void> {
        EXPECT_EQ(co_await client.ask("SET search_path TO 'a'"), "C[SET] Z[I]");
        EXPECT_EQ(co_await client.ask("BEGIN; SET search_path = b; SELECT 1"),
                  "C[BEGIN] C[SET] T D[1|primary/1|T2.3] C[SELECT 1] Z[T]");
        EXPECT_EQ(co_await client.ask("SELECT fail; SELECT 2"), "E[22012] Z[E]");
        EXPECT_EQ(co_await client.ask("SELECT 3"), "E[25P02] Z[E]");
        EXPECT_EQ(co_await client.ask("COMMIT"), "C[ROLLBACK] Z[I]");
        EXPECT_EQ(co_await client.ask("SHOW search_path"), "T D[a] C[SHOW] Z[I]");
        EXPECT_EQ(co_await client.ask("BEGIN; SET LOCAL search_path TO c; COMMIT"),
                  "C[BEGIN] C[SET] C[COMMIT] Z[I]");
        EXPECT_EQ(co_await client.ask("SHOW search_path"), "T D[a] C[SHOW] Z[I]");
        EXPECT_EQ(co_await client.ask("SET search_path TO z; SELECT fail"), "C[SET] E[22012] Z[I]");
        EXPECT_EQ(co_await client.ask("SHOW search_path"), "T D[a] C[SHOW] Z[I]");
        EXPECT_EQ(co_await client.ask("SET timezone TO 'Asia/Tokyo'"), "S C[SET] Z[I]");
        EXPECT_EQ(co_await client.ask("DISCARD ALL"), "S C[DISCARD ALL] Z[I]");
        EXPECT_EQ(co_await client.ask("SHOW search_path"), "T D[\"$user\", public] C[SHOW] Z[I]");
    });
}

TEST_F(ModelTest, ExtendedProtocolSkipsToSyncAfterAnError) {
    run([](Client& client) -> net::Task<void> {
        const auto bind = [&](const std::string& name, const std::string& value) {
            client.put(std::move(
                Message('B').text("").text(name).int16(0).int16(1).counted(value).int16(0)));
        };
        const auto execute = [&](int rows) {
            client.put(std::move(Message('E').text("").int32(rows)));
        };
        client.put(std::move(Message('P').text("s1").text("SELECT $1").int16(0)));
        client.put(std::move(Message('D').raw("S").text("s1")));
        bind("s1", "hello");
        execute(0);
        client.put(Message('S'));
        EXPECT_EQ(co_await client.until('Z'), "1 t T 2 D[hello|primary/1|I1.1] C[SELECT 1] Z[I]");
        client.put(std::move(Message('P').text("s1").text("SELECT 2").int16(0)));
        bind("s1", "skipped");
        execute(0);
        client.put(Message('S'));
        EXPECT_EQ(co_await client.until('Z'), "E[42P05] Z[I]");
        bind("unknown", "x");
        client.put(Message('S'));
        EXPECT_EQ(co_await client.until('Z'), "E[26000] Z[I]");
        client.put(std::move(Message('P').text("").text("SELECT rows 3").int16(0)));
        bind("", "");
        execute(2);
        execute(2);
        client.put(Message('S'));
        EXPECT_EQ(co_await client.until('Z'),
                  "1 2 D[row 0|primary/1|I2.1] D[row 1|primary/1|I2.1] s "
                  "D[row 2|primary/1|I2.2] C[SELECT 3] Z[I]");
        client.put(std::move(Message('C').raw("S").text("s1")));
        bind("s1", "gone");
        client.put(Message('S'));
        EXPECT_EQ(co_await client.until('Z'), "3 E[26000] Z[I]");
    });
}

TEST_F(ModelTest, SqlLevelPreparedStatementsShareTheNames) {
    run([](Client& client) -> net::Task<void> {
        EXPECT_EQ(co_await client.ask("PREPARE p AS SELECT 'x'"), "C[PREPARE] Z[I]");
        EXPECT_EQ(co_await client.ask("PREPARE p AS SELECT 'y'"), "E[42P05] Z[I]");
        EXPECT_EQ(co_await client.ask("EXECUTE p"), "T D[x|primary/1|I3.1] C[SELECT 1] Z[I]");
        EXPECT_EQ(co_await client.ask("DEALLOCATE p"), "C[DEALLOCATE] Z[I]");
        EXPECT_EQ(co_await client.ask("EXECUTE p"), "E[26000] Z[I]");
    });
}

TEST_F(ModelTest, CopiesInAndOut) {
    run([](Client& client) -> net::Task<void> {
        client.query("COPY t FROM STDIN");
        EXPECT_EQ(co_await client.until('G'), "G");
        client.put(std::move(Message('d').raw("a\nb\n")));
        client.put(Message('S'));  // ignored inside a COPY
        client.put(Message('c'));
        EXPECT_EQ(co_await client.until('Z'), "C[COPY 2] Z[I]");
        client.query("COPY t FROM STDIN");
        co_await client.until('G');
        client.put(std::move(Message('f').text("changed my mind")));
        EXPECT_EQ(co_await client.until('Z'), "E[57014] Z[I]");
        EXPECT_EQ(co_await client.ask("COPY t TO STDOUT"), "H d d d c C[COPY 3] Z[I]");
    });
}

TEST_F(ModelTest, CancelStopsOnlyTheRunningStatementOfItsKey) {
    run([this](Client& client) -> net::Task<void> {
        const auto cancel = [this](std::uint32_t pid, std::uint32_t key) -> net::Task<void> {
            auto stream = co_await loop_.connect(server_address(), loop_.now() + 5s);
            std::string request = Message('x').int32(80877102).int32(pid).int32(key).take();
            (*stream)->write(request.substr(1));
            co_await loop_.sleep(100ms);
        };
        client.query("SELECT sleep 600000");
        co_await cancel(client.pid, client.secret + 1);
        EXPECT_EQ(server_.counters().cancels_unknown, 1u);
        co_await cancel(client.pid, client.secret);
        EXPECT_EQ(co_await client.until('Z'), "E[57014] Z[I]");
        co_await cancel(client.pid, client.secret);
        EXPECT_EQ(server_.counters().cancels_idle, 1u);
        EXPECT_EQ(co_await client.ask("SELECT 1"), "T D[1|primary/1|I2.1] C[SELECT 1] Z[I]");
    });
    EXPECT_EQ(server_.counters().cancels_hit, 1u);
}

TEST_F(ModelTest, CountsClientsThatLeaveInATransaction) {
    run([](Client& client) -> net::Task<void> { co_await client.ask("BEGIN"); });
    EXPECT_EQ(server_.counters().left_in_transaction, 1u);
}

TEST_F(ModelTest, ShutsDownWithAReason) {
    run([this](Client& client) -> net::Task<void> {
        server_.shut_down();
        EXPECT_EQ(co_await client.until('Z'), "E[57P01] closed");
    });
    server_.refuse_logins(true);
    run([](Client& client) -> net::Task<void> {
        EXPECT_EQ(client.login, "E[57P03] closed");
        co_return;
    });
}

}  // namespace
}  // namespace howdah::sim
