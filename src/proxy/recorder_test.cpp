#include "proxy/recorder.hpp"

#include <gtest/gtest.h>

#include "proxy/name_table.hpp"
#include "proxy/tag_table.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::proxy {
namespace {

// A loop whose clock stands where the test puts it.
class StillLoop final : public net::Loop {
  public:
    std::string_view backend_name() const override { return "test"; }
    std::unique_ptr<net::Stream> adopt(int, net::PeerInfo) override { return nullptr; }
    net::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Address, net::TimePoint) override {
        co_return fail(ErrorCode::kUnavailable, "no network here");
    }
    void start_accept(int, net::AcceptHandler) override {}
    void stop_accept(int) override {}
    void set_time(std::int64_t us) { set_now(net::TimePoint(net::Duration(us))); }

  protected:
    void wait_and_dispatch(net::TimePoint) override {}
    void wake() override {}
};

// A peer that takes as much as the test says.
class SlowTransport final : public net::Transport {
  public:
    using Transport::Transport;
    void start_receive() override {}
    void stop_receive() override {}
    void send_queued() override {}
    void release() override { delete this; }
    void abort() override { delete this; }
    void take(std::size_t bytes) { consume_sent(bytes); }
    void take(std::size_t bytes, net::TimePoint at) { consume_sent(bytes, at); }
};

class RecorderTest : public testing::Test {
  protected:
    RecorderTest() { loop_.set_time(1'000'000); }

    QueryEvent event(std::uint64_t session) const {
        QueryEvent made;
        made.fingerprint = statement_->fingerprint;
        made.session_id = session;
        made.server_us = 100;
        made.cache_us = 3;
        made.rows = 2;
        return made;
    }
    std::vector<QueryEvent> published() {
        std::vector<QueryEvent> events;
        QueryEvent next;
        while (ring_.pop(next)) {
            events.push_back(next);
        }
        return events;
    }

    StillLoop loop_;
    SlowTransport* transport_ = new SlowTransport(loop_);
    net::Stream client_{loop_, transport_, {}};
    sql::StatementRef statement_ = sql::analyze("select 1");
    FingerprintStats fingerprints_{16};
    SpscRing<QueryEvent> ring_{1024};
    Recorder recorder_{fingerprints_, ring_};
};

TEST_F(RecorderTest, AnAnswerThatIsTakenAtOnceCostsNoNetworkTime) {
    recorder_.record(event(1), statement_.get(), client_);
    EXPECT_TRUE(published().empty());
    recorder_.settle();
    const auto events = published();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].network_us, 0U);
    const FingerprintEntry& entry = fingerprints_.all().at(statement_->fingerprint);
    EXPECT_EQ(entry.calls, 1U);
    EXPECT_EQ(entry.rows, 2U);
    EXPECT_EQ(entry.server_us, 100U);
    EXPECT_EQ(entry.cache_us, 3U);
    EXPECT_EQ(events[0].cache_us, 3U);
    EXPECT_EQ(entry.network_us, 0U);
}

TEST_F(RecorderTest, ASlowReaderCostsNetworkTimeUpToTheAnswersLastByte) {
    client_.write(std::string_view("answer"));
    client_.flush();
    recorder_.record(event(1), statement_.get(), client_);
    recorder_.settle();
    EXPECT_TRUE(published().empty());
    client_.write(std::string_view("of the next statement"));  // is no part of the first one's
    client_.flush();
    loop_.set_time(1'000'400);
    transport_->take(5);
    recorder_.settle();
    EXPECT_TRUE(published().empty());
    loop_.set_time(1'000'700);
    transport_->take(1);
    recorder_.settle();
    const auto events = published();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].network_us, 700U);
    EXPECT_EQ(fingerprints_.all().at(statement_->fingerprint).network_us, 700U);
}

TEST_F(RecorderTest, WhatIsHeardOfLateCostsTheTimeUntilItWas) {
    const net::TimePoint sent = loop_.now() + net::Duration(30);
    client_.write(std::string_view("answer"));
    client_.flush();
    recorder_.record(event(1), statement_.get(), client_);
    recorder_.record(event(2), statement_.get(), client_);
    recorder_.settle();
    loop_.set_time(1'900'000);
    transport_->take(6, sent);
    recorder_.settle();
    const auto events = published();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].network_us, 30U);
    EXPECT_EQ(events[1].network_us, 30U);
}

TEST_F(RecorderTest, AClientThatLeavesAfterItsAnswerWasTakenIsNotSlow) {
    client_.write(std::string_view("answer"));
    client_.flush();
    recorder_.record(event(1), statement_.get(), client_);
    recorder_.settle();
    transport_->take(6);
    loop_.set_time(1'900'000);
    recorder_.part(client_, loop_.now());
    const auto events = published();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].network_us, 0U);
}

TEST_F(RecorderTest, ThoseWhoComeDoNotKeepItFromThoseWhoWait) {
    net::Stream busy(loop_, std::make_unique<SlowTransport>(loop_).release(), {});
    auto& busy_transport = static_cast<SlowTransport&>(busy.transport());
    client_.write(std::string_view("answer"));
    client_.flush();
    recorder_.record(event(0), statement_.get(), client_);
    recorder_.settle();
    // As io_uring does it: what a turn wrote is known to be taken in the next one. More of them in
    // a turn than are looked at beyond the new.
    constexpr std::uint64_t kEach = 3 * Recorder::kLooksPerTurn;
    for (std::uint64_t turn = 1; turn <= 20; ++turn) {
        busy_transport.take(busy.unsent());
        busy.write(std::string_view("answers"));
        busy.flush();
        for (std::uint64_t i = 0; i < kEach; ++i) {
            recorder_.record(event(turn), statement_.get(), busy);
        }
        recorder_.settle();
        const auto events = published();
        EXPECT_EQ(events.size(), turn == 1 ? 0 : kEach);
        for (const QueryEvent& one : events) {
            EXPECT_EQ(one.session_id, turn - 1);
        }
    }
    transport_->take(6);
    busy.write(std::string_view("answers"));
    busy.flush();
    recorder_.record(event(30), statement_.get(), busy);
    recorder_.settle();
    const auto events = published();
    ASSERT_EQ(events.size(), 1U);  // however busy the other is
    EXPECT_EQ(events[0].session_id, 0U);
}

TEST_F(RecorderTest, AClientThatLeavesPublishesWhatWaits) {
    client_.write(std::string_view("answer"));
    recorder_.record(event(7), statement_.get(), client_);
    loop_.set_time(1'000'050);
    recorder_.part(client_, loop_.now());
    const auto events = published();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].network_us, 50U);
    recorder_.settle();
    EXPECT_TRUE(published().empty());
}

TEST_F(RecorderTest, WhatWaitsIsBoundedAndKeepsItsOrder) {
    client_.write(std::string_view("answer"));
    client_.flush();
    for (std::uint64_t i = 0; i < Recorder::kWaitingMax + 10; ++i) {
        recorder_.record(event(i), statement_.get(), client_);
    }
    EXPECT_EQ(published().size(), 10U);
    transport_->take(6);
    for (std::size_t turn = 0; turn < Recorder::kWaitingMax / Recorder::kLooksPerTurn; ++turn) {
        recorder_.settle();
    }
    const auto events = published();
    ASSERT_EQ(events.size(), Recorder::kWaitingMax);
    for (std::size_t i = 0; i < events.size(); ++i) {
        ASSERT_EQ(events[i].session_id, i + 10);
    }
}

TEST_F(RecorderTest, AStatementNobodyKnowsCountsAmongTheOthers) {
    QueryEvent unknown;
    unknown.sqlstate = {'4', '2', '6', '0', '1'};
    recorder_.record(unknown, nullptr, client_);
    EXPECT_EQ(fingerprints_.other().calls, 1U);
    EXPECT_EQ(fingerprints_.other().errors, 1U);
    EXPECT_TRUE(fingerprints_.all().empty());
}

TEST(FingerprintStats, SumsStayRightWhenStatementsMakeRoom) {
    FingerprintStats stats(16);
    std::uint64_t calls = 0;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 100; ++i) {
            const auto statement = sql::analyze("select c" + std::to_string(i) + " from t");
            ++stats.entry(*statement).calls;
            ++calls;
            ASSERT_LE(stats.all().size(), 16U);
        }
    }
    std::uint64_t counted = stats.other().calls;
    for (const auto& [fingerprint, entry] : stats.all()) {
        counted += entry.calls;
    }
    EXPECT_EQ(counted, calls);
}

TEST(NameTable, IsBoundedAndGivesNamesBack) {
    NameTable names(2);
    const std::uint32_t shop = names.intern("shop");
    EXPECT_EQ(names.intern("shop"), shop);
    EXPECT_NE(names.intern("blog"), shop);
    EXPECT_EQ(names.intern("one too many"), NameTable::kOther);
    EXPECT_EQ(names.intern(""), NameTable::kNone);
    EXPECT_EQ(names.text(shop), "shop");
    EXPECT_EQ(names.text(NameTable::kOther), "(other)");
    EXPECT_EQ(names.text(4711), "");
}

TEST(TagTable, OneNumberForOneSetWhateverTheOrderAndTheTrace) {
    TagTable tags(42);
    const std::uint64_t id =
        tags.intern("select 1 /*route='%2Fusers',action='show',traceparent='00-aa-bb-01'*/")
            .tags_id;
    ASSERT_NE(id, 0U);
    EXPECT_EQ(tags.intern("select 2 /*action='show',route='%2Fusers',traceparent='00-cc-dd-01'*/")
                  .tags_id,
              id);
    EXPECT_NE(tags.intern("select 1 /*route='%2Forders',action='show'*/").tags_id, id);
    EXPECT_EQ(tags.intern("select 1 /* words */").tags_id, 0U);
    EXPECT_EQ(tags.intern("select 1 /*traceparent='00-aa-bb-01'*/").tags_id, 0U);
    const auto* found = tags.find(id);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(*found, (std::vector<sql::Tag>{{"action", "show"}, {"route", "/users"}}));
    EXPECT_NE(TagTable(43).intern("select 1 /*route='%2Fusers',action='show'*/").tags_id, id);
}

TEST(TagTable, IsBounded) {
    TagTable tags(42);
    for (std::size_t i = 0; i < TagTable::kSetsMax + 10; ++i) {
        EXPECT_NE(tags.intern("select 1 /*route='" + std::to_string(i) + "'*/").tags_id, 0U);
    }
    EXPECT_LE(tags.all().size(), TagTable::kSetsMax);
    EXPECT_EQ(tags.intern("select 1 /*route='" + std::string(2000, 'x') + "'*/").tags_id, 0U);
}

}  // namespace
}  // namespace howdah::proxy
