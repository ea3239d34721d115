#include "auth/examiner.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <semaphore>
#include <vector>

#include "base/clock.hpp"

namespace howdah::auth {
namespace {

using namespace std::chrono_literals;

Question pam_question(std::string user = "ann") {
    Question question;
    question.user = std::move(user);
    question.password = wire::Secret(std::string_view("secret"));
    return question;
}

Question ldap_question() {
    Question question = pam_question();
    question.ldap = std::make_shared<const config::LdapOptions>();
    return question;
}

// Runs a coroutine on a loop of its own until it ends.
void run(const std::function<net::Task<void>(net::Loop&)>& body) {
    auto loop = net::make_loop(net::Backend::kEpoll);
    ASSERT_TRUE(loop);
    net::TaskGroup tasks;
    (*loop)->post([&] {
        tasks.spawn([](net::Loop& own, const auto& work) -> net::Task<void> {
            co_await work(own);
            own.stop();
        }(**loop, body));
    });
    (*loop)->run();
}

net::Task<void> until_done(net::Event& event, const Examination& examination) {
    while (!examination.done()) {
        co_await event.wait();
    }
}

TEST(Examiner, AsksWhomTheQuestionIsFor) {
    Examiner examiner(
        [](const Question& question) -> Verdict {
            EXPECT_EQ(question.password.reveal(), "secret");
            return {fail(ErrorCode::kRefused, "ldap says no")};
        },
        [](const Question& question) -> Verdict {
            EXPECT_EQ(question.user, "ann");
            return {{}, "pam says yes", 7s};
        });
    run([&](net::Loop& loop) -> net::Task<void> {
        net::Event event(loop);
        auto ldap = examiner.begin(event, ldap_question());
        auto pam = examiner.begin(event, pam_question());
        co_await until_done(event, **ldap);
        co_await until_done(event, **pam);
        const Verdict refusal = (*ldap)->take();
        EXPECT_FALSE(refusal.result);
        EXPECT_EQ(refusal.result.error().message, "ldap says no");
        const Verdict yes = (*pam)->take();
        EXPECT_TRUE(yes.result);
        EXPECT_EQ(yes.remark, "pam says yes");
        EXPECT_EQ(yes.delay, 7s);
    });
}

// What the check waits for, so that a test decides when it ends.
struct Gate {
    std::counting_semaphore<> open{0};
    std::counting_semaphore<> entered{0};
    std::counting_semaphore<> left{0};
    std::atomic<int> inside = 0, most = 0, asked = 0;

    Verdict pass() {
        ++asked;
        const int now = ++inside;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        entered.release();
        open.acquire();
        --inside;
        left.release();
        return {};
    }
};

TEST(Examiner, ThreadsAndQueueAreBounded) {
    const auto gate = std::make_shared<Gate>();
    Examiner examiner([gate](const Question&) { return gate->pass(); },
                      [gate](const Question&) { return gate->pass(); });
    run([&](net::Loop& loop) -> net::Task<void> {
        net::Event event(loop);
        std::vector<std::unique_ptr<Examination>> all;
        const std::size_t most = Examiner::kWaitingMax + Examiner::kLdapThreads;
        for (int i = 0; i < Examiner::kLdapThreads; ++i) {
            all.push_back(std::move(*examiner.begin(event, ldap_question())));
            gate->entered.acquire();
        }
        for (std::size_t i = 0; i < Examiner::kWaitingMax; ++i) {
            all.push_back(std::move(*examiner.begin(event, ldap_question())));
        }
        const auto more = examiner.begin(event, ldap_question());
        EXPECT_FALSE(more);
        EXPECT_EQ(more.error().code, ErrorCode::kUnavailable);
        EXPECT_EQ(gate->most, Examiner::kLdapThreads);
        gate->open.release(static_cast<std::ptrdiff_t>(most));
        for (const auto& one : all) {
            co_await until_done(event, *one);
            EXPECT_TRUE(one->take().result);
        }
        EXPECT_EQ(gate->most, Examiner::kLdapThreads);
        EXPECT_EQ(gate->asked, static_cast<int>(most));
    });
}

TEST(Examiner, PamIsAskedOneAtATime) {
    const auto gate = std::make_shared<Gate>();
    Examiner examiner({}, [gate](const Question&) { return gate->pass(); });
    run([&](net::Loop& loop) -> net::Task<void> {
        net::Event event(loop);
        const auto one = examiner.begin(event, pam_question());
        const auto two = examiner.begin(event, pam_question());
        gate->entered.acquire();
        gate->open.release(2);
        co_await until_done(event, **one);
        co_await until_done(event, **two);
        EXPECT_EQ(gate->most, 1);
    });
}

// A client that leaves while it is asked for, one that leaves before, and one whose time is over:
// none is told, and only the first was asked for. Then everything goes while a thread hangs.
TEST(Examiner, WhoDoesNotWaitIsNotTold) {
    const auto gate = std::make_shared<Gate>();
    {
        Examiner examiner({}, [gate](const Question&) { return gate->pass(); });
        run([&](net::Loop& loop) -> net::Task<void> {
            net::Event event(loop);
            auto asked = examiner.begin(event, pam_question());
            gate->entered.acquire();
            auto queued = examiner.begin(event, pam_question());
            Question late = pam_question();
            late.deadline = steady_now() - 1ms;
            auto too_late = examiner.begin(event, std::move(late));
            asked->reset();
            queued->reset();
            gate->open.release();
            gate->left.acquire();
            auto last = examiner.begin(event, pam_question());
            gate->entered.acquire();  // those before it have been passed over
            EXPECT_FALSE((*too_late)->done());
            EXPECT_EQ(gate->asked, 2);
            co_return;
        });
    }
    gate->open.release();
    gate->left.acquire();
}

}  // namespace
}  // namespace howdah::auth
