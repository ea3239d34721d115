// Who asks when, what is known while nobody has answered, and which of two answers stays.
#include "proxy/hidden_code.hpp"

#include <gtest/gtest.h>

#include "sql/statement.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"

namespace howdah::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kRead = sql::kReadOnly;

std::vector<std::uint8_t> row(std::initializer_list<std::string_view> fields) {
    wire::Encoder out;
    out.begin('D').i16(static_cast<std::int16_t>(fields.size()));
    for (const std::string_view field : fields) {
        out.i32(static_cast<std::int32_t>(field.size())).bytes(field);
    }
    out.end();
    const auto all = out.view();
    return {all.begin() + wire::kHeaderBytes, all.end()};
}

class HiddenCodeTest : public testing::Test {
  protected:
    bool asks_after(const HiddenCode& code, std::uint32_t effects) {
        return (code.with_hidden(effects) & sql::kUnknownCode) != 0;
    }
    HiddenCode::Question ask() {
        auto question = code_.wants_to_know(now_);
        EXPECT_TRUE(question);
        return question.value_or(HiddenCode::Question());
    }
    void answer(std::initializer_list<std::string_view> fields) {
        HiddenCode::Question question = ask();
        HiddenCode::take_row(row(fields), question);
        code_.answered(question, now_, "shop", 1);
    }
    void answer_nothing() { code_.answered(ask(), now_, "shop", 1); }

    HiddenCode code_;
    net::TimePoint now_ = net::TimePoint(1h);
};

TEST_F(HiddenCodeTest, AnythingMayBeHiddenWhileNothingIsKnown) {
    EXPECT_TRUE(asks_after(code_, kRead));
    EXPECT_FALSE(code_.is_known());
    EXPECT_FALSE(code_.computes_names());  // that would pin for good
    answer_nothing();
    EXPECT_FALSE(asks_after(code_, kRead));
    EXPECT_FALSE(asks_after(code_, sql::kWrite | sql::kDdl));
}

TEST_F(HiddenCodeTest, WhatIsHiddenCountsWhereItRuns) {
    answer({"w", "1", "trigger t on s.t", "f"});
    EXPECT_TRUE(asks_after(code_, sql::kWrite));
    EXPECT_FALSE(asks_after(code_, kRead));
    code_.schema_changed();
    now_ += 1s;
    answer({"d", "1", "event trigger e", "t"});
    EXPECT_TRUE(asks_after(code_, sql::kDdl));
    EXPECT_FALSE(asks_after(code_, sql::kWrite));
    EXPECT_TRUE(code_.computes_names());
    code_.schema_changed();
    now_ += 1s;
    answer({"r", "2", "rule on s.v", "f"});
    EXPECT_TRUE(asks_after(code_, kRead));
}

TEST_F(HiddenCodeTest, ARowThatIsNoneOfOursSaysAnything) {
    for (const auto& fields : {std::initializer_list<std::string_view>{"w"},
                               {"x", "1", "what", "f"},
                               {"wr", "1", "what", "f"}}) {
        HiddenCode::Question question;
        HiddenCode::take_row(row(fields), question);
        HiddenCode code;
        code.answered(question, now_, "shop", 1);
        EXPECT_TRUE(asks_after(code, kRead));
    }
    HiddenCode::Question question;
    HiddenCode::take_row({}, question);
    EXPECT_NE(question.places, 0U);
}

TEST_F(HiddenCodeTest, OneAsksAtATimeAndForAPartOfTheTime) {
    const HiddenCode::Question question = ask();
    EXPECT_FALSE(code_.wants_to_know(now_));
    now_ += 20ms;
    code_.answered(question, now_, "shop", 1);
    code_.schema_changed();
    now_ += 20ms * HiddenCode::kShareMin - 1ms;
    EXPECT_FALSE(code_.wants_to_know(now_));
    EXPECT_TRUE(asks_after(code_, kRead));
    now_ += 1ms;
    EXPECT_TRUE(code_.wants_to_know(now_));
}

TEST_F(HiddenCodeTest, ItIsAskedAgainNowAndThenAndLessOftenForManyDatabases) {
    answer_nothing();
    now_ += HiddenCode::kAgain - 1ms;
    EXPECT_FALSE(code_.wants_to_know(now_));
    now_ += 1ms;
    const HiddenCode::Question question = ask();
    EXPECT_FALSE(asks_after(code_, kRead)) << "what is known stays known meanwhile";
    now_ += 10ms;
    code_.answered(question, now_, "shop", 1000);
    now_ += 999s;
    EXPECT_FALSE(code_.wants_to_know(now_));
    now_ += 1s;
    EXPECT_TRUE(code_.wants_to_know(now_));
}

TEST_F(HiddenCodeTest, AnAnswerIsOfTheSchemaThatWasAsked) {
    const HiddenCode::Question before = ask();
    code_.schema_changed();
    code_.answered(before, now_, "shop", 1);
    EXPECT_FALSE(code_.is_known());
    now_ += 1s;
    answer({"w", "1", "trigger", "f"});
    code_.answered(before, now_, "shop", 1);  // late: the later one stays
    EXPECT_TRUE(code_.is_known());
    EXPECT_TRUE(asks_after(code_, sql::kWrite));
}

TEST_F(HiddenCodeTest, WhoDoesNotAnswerLetsOthersAsk) {
    static_cast<void>(ask());
    code_.let_others_ask();
    static_cast<void>(ask());
    now_ += HiddenCode::kAnswerMax;
    static_cast<void>(ask());
}

TEST_F(HiddenCodeTest, ADatabaseThatCannotAnswerHidesNothing) {
    for (int i = 0; i < HiddenCode::kFailuresMax; ++i) {
        EXPECT_TRUE(asks_after(code_, kRead));
        code_.not_answered(ask(), "no such table", now_, "shop");
        EXPECT_FALSE(code_.wants_to_know(now_));
        now_ += HiddenCode::kAfterFailure;
    }
    EXPECT_FALSE(asks_after(code_, kRead));
    EXPECT_FALSE(code_.wants_to_know(now_));
    now_ += HiddenCode::kAgain;
    answer({"r", "1", "rule", "f"});
    EXPECT_TRUE(asks_after(code_, kRead));
}

}  // namespace
}  // namespace howdah::proxy
