// pg::Connection against a live server: deadlines, cancel, COPY, errors, notices, lost servers.
#include "pg/connection.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "migrate/lint/scratch_server.hpp"

namespace howdah::migrate::runner {
namespace {

using Clock = std::chrono::steady_clock;

class ConnectionTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        auto started = lint::ScratchServer::start();
        ASSERT_TRUE(started.has_value()) << started.error().message;
        server_ = std::make_unique<lint::ScratchServer>(std::move(*started));
    }
    static void TearDownTestSuite() { server_.reset(); }

    static pg::Connection open() {
        return pg::Connection::connect({.conninfo = server_->conninfo()}).value();
    }

    static std::unique_ptr<lint::ScratchServer> server_;
    pg::Connection db_ = open();
};

std::unique_ptr<lint::ScratchServer> ConnectionTest::server_;

TEST_F(ConnectionTest, RowsParametersAndNulls) {
    const auto rows = db_.query("select $1::int + 1, $2::text, true, 2.5", {{"41"}, std::nullopt});
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_EQ(rows->integer(0, 0), 42);
    EXPECT_TRUE(rows->is_null(0, 1));
    EXPECT_EQ(rows->text(0, 1), "");
    EXPECT_TRUE(rows->boolean(0, 2));
    EXPECT_EQ(rows->number(0, 3), 2.5);
    EXPECT_GE(db_.server_version(), 150000);
}

TEST_F(ConnectionTest, ErrorsKeepTheConnection) {
    const auto wrong = db_.query("select 1;\nselect nonsense");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::kServer);
    EXPECT_EQ(wrong.error().sqlstate, "42703");
    EXPECT_EQ(db_.error_position(), 18U);
    EXPECT_EQ(db_.query("select 7")->integer(0, 0), 7);
    EXPECT_FALSE(db_.query(std::string("select 1\0", 9)));
}

TEST_F(ConnectionTest, CommitMayTakeItsTime) {
    ASSERT_TRUE(db_.execute(
        "create table slow (a int); create function wait() returns trigger language plpgsql as $$ "
        "begin perform pg_sleep(0.5); return null; end $$; create constraint trigger w after "
        "insert on slow deferrable initially deferred for each row execute function wait()"));
    db_.set_deadline(pg::Milliseconds(100));
    for (const bool patient : {false, true}) {
        auto transaction = pg::Transaction::begin(db_);
        ASSERT_TRUE(transaction) << transaction.error().message;
        ASSERT_TRUE(db_.execute("insert into slow values (1)"));
        const auto done = patient ? transaction->commit(pg::kNoDeadline) : transaction->commit();
        EXPECT_EQ(done.has_value(), patient);
    }
}

TEST_F(ConnectionTest, DeadlineCancelsAndTheConnectionStays) {
    const auto begun = Clock::now();
    const auto late = db_.query("select pg_sleep(30)", {}, pg::Milliseconds(200));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
    EXPECT_LT(Clock::now() - begun, std::chrono::seconds(5));
    ASSERT_TRUE(db_.is_open());
    EXPECT_EQ(db_.query("select 1")->integer(0, 0), 1);
}

TEST_F(ConnectionTest, CancelFromAnotherThread) {
    auto watcher = open();
    const pg::Canceller canceller = db_.canceller();
    std::thread other([&] {
        const std::string pid = std::to_string(db_.backend_pid());
        while (watcher
                   .query("select 1 from pg_stat_activity where pid = $1::int and query like "
                          "'select pg_sleep%' and state = 'active'",
                          {{pid}})
                   ->size() == 0) {
            std::this_thread::yield();
        }
        canceller.cancel();
    });
    const auto done = db_.query("select pg_sleep(30)", {}, pg::kNoDeadline);
    other.join();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().sqlstate, "57014");
}

TEST_F(ConnectionTest, CopyBothWays) {
    ASSERT_TRUE(db_.execute("create temp table c (n int, t text)"));
    int line = 0;
    const auto in = db_.copy_in("copy c from stdin", [&](std::string& chunk) {
        chunk = std::to_string(line) + "\tvalue\n";
        return line++ < 1000;
    });
    ASSERT_TRUE(in) << in.error().message;
    EXPECT_EQ(*in, 1000U);
    std::size_t bytes = 0;
    const auto out =
        db_.copy_out("copy c to stdout", [&](std::string_view chunk) { bytes += chunk.size(); });
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(*out, 1000U);
    EXPECT_EQ(bytes, 1000 * 7 + 10 + 90 * 2 + 900 * 3);  // "value", a tab, a newline and the number
}

TEST_F(ConnectionTest, CopyThatTheServerRefuses) {
    ASSERT_TRUE(db_.execute("create temp table c (n int)"));
    bool more = true;
    const auto in = db_.copy_in("copy c from stdin", [&](std::string& chunk) {
        chunk = "no number\n";
        return std::exchange(more, false);
    });
    ASSERT_FALSE(in);
    EXPECT_EQ(in.error().sqlstate, "22P02");
    EXPECT_FALSE(db_.copy_in("select 1", [](std::string&) { return false; }));
    EXPECT_FALSE(db_.copy_out("copy nowhere to stdout", [](std::string_view) {}));
    EXPECT_EQ(db_.query("select 1")->integer(0, 0), 1);
    // A COPY that comes where nobody feeds it ends with an error, not with a hang.
    EXPECT_FALSE(db_.query("copy c from stdin"));
    EXPECT_TRUE(db_.query("copy c to stdout"));
}

TEST_F(ConnectionTest, TransactionRollsBackWhenLeft) {
    ASSERT_TRUE(db_.execute("create table if not exists left_alone (n int)"));
    {
        const auto open = pg::Transaction::begin(db_);
        ASSERT_TRUE(open);
        ASSERT_TRUE(db_.execute("insert into left_alone values (1)"));
        EXPECT_EQ(db_.transaction_state(), pg::TransactionState::kOpen);
    }
    EXPECT_EQ(db_.transaction_state(), pg::TransactionState::kIdle);
    EXPECT_EQ(db_.query("select count(*) from left_alone")->integer(0, 0), 0);
}

TEST_F(ConnectionTest, NoticesAreKept) {
    ASSERT_TRUE(db_.execute("do $$ begin raise warning 'look'; end $$"));
    const auto notices = db_.take_notices();
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_EQ(notices[0].severity, "WARNING");
    EXPECT_EQ(notices[0].message, "look");
    EXPECT_TRUE(db_.take_notices().empty());
}

TEST_F(ConnectionTest, EndedByTheServer) {
    auto other = open();
    ASSERT_TRUE(other.execute("select pg_terminate_backend($1::int)",
                              {{std::to_string(db_.backend_pid())}}));
    const auto gone = db_.query("select 1");
    ASSERT_FALSE(gone);
    EXPECT_FALSE(db_.is_open());
    EXPECT_EQ(db_.query("select 1").error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace howdah::migrate::runner
