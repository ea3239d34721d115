#include "auth/examiner.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "auth/ldap.hpp"
#include "auth/pam.hpp"
#include "base/assert.hpp"
#include "base/clock.hpp"
#include "base/thread_name.hpp"

namespace howdah::auth {

struct Examination::Inquiry {
    Question question;  // the thread's, once it is taken from the queue
    std::mutex mutex;
    net::Loop* loop = nullptr;  // guarded by the mutex; null: nobody waits
    // On the loop:
    net::Event* wake = nullptr;
    std::optional<Verdict> verdict;
};

Examination::~Examination() {
    const std::scoped_lock lock(inquiry_->mutex);
    inquiry_->loop = nullptr;
    inquiry_->wake = nullptr;
}

bool Examination::done() const {
    return inquiry_->verdict.has_value();
}

Verdict Examination::take() {
    ASSERT(done());
    return std::move(*inquiry_->verdict);
}

// What is asked of one of the two, by its threads.
struct Examiner::Lane {
    using InquiryPtr = std::shared_ptr<Examination::Inquiry>;

    Lane(Check ask, int threads_allowed) : check(std::move(ask)), threads_max(threads_allowed) {}
    void answer(const InquiryPtr& inquiry, Verdict verdict);
    bool wanted(Examination::Inquiry& inquiry) const;

    const Check check;
    const int threads_max;
    std::mutex mutex;
    std::condition_variable more;
    std::deque<InquiryPtr> queue;
    int threads = 0;
    int idle = 0;
    bool stopping = false;
};

Examiner::Examiner(Check ldap, Check pam)
    : ldap_(std::make_shared<Lane>(ldap ? std::move(ldap) : ask_ldap, kLdapThreads)),
      pam_(std::make_shared<Lane>(pam ? std::move(pam) : ask_pam, 1)) {}

Examiner::~Examiner() {
    for (const auto& lane : {ldap_, pam_}) {
        const std::scoped_lock lock(lane->mutex);
        lane->stopping = true;
        lane->queue.clear();
        lane->more.notify_all();
    }
}

Result<std::unique_ptr<Examination>> Examiner::begin(net::Event& wake, Question question) {
    const std::shared_ptr<Lane>& lane = question.ldap != nullptr ? ldap_ : pam_;
    auto inquiry = std::make_shared<Examination::Inquiry>();
    inquiry->question = std::move(question);
    inquiry->loop = &wake.loop();
    inquiry->wake = &wake;
    const std::scoped_lock lock(lane->mutex);
    if (lane->queue.size() >= kWaitingMax) {
        return fail(ErrorCode::kUnavailable, "too many logins wait for an answer");
    }
    lane->queue.push_back(inquiry);
    if (static_cast<std::size_t>(lane->idle) < lane->queue.size() &&
        lane->threads < lane->threads_max) {
        try {
            std::thread([lane] {
                name_this_thread("howdah-examine");
                run(lane);
            }).detach();
            ++lane->threads;
        } catch (const std::system_error& error) {
            if (lane->threads == 0) {
                lane->queue.clear();
                return fail(ErrorCode::kUnavailable,
                            std::string("no thread to ask LDAP or PAM: ") + error.what());
            }
        }
    }
    lane->more.notify_one();
    return std::make_unique<Examination>(std::move(inquiry));
}

void Examiner::run(std::shared_ptr<Lane> lane) {
    std::unique_lock lock(lane->mutex);
    while (!lane->stopping) {
        if (lane->queue.empty()) {
            ++lane->idle;
            lane->more.wait(lock);
            --lane->idle;
            continue;
        }
        const Lane::InquiryPtr inquiry = std::move(lane->queue.front());
        lane->queue.pop_front();
        lock.unlock();
        if (lane->wanted(*inquiry)) {
            Verdict verdict = lane->check(inquiry->question);
            inquiry->question.password.clear();
            lane->answer(inquiry, std::move(verdict));
        }
        lock.lock();
    }
}

bool Examiner::Lane::wanted(Examination::Inquiry& inquiry) const {
    const std::scoped_lock lock(inquiry.mutex);
    return inquiry.loop != nullptr && steady_now() < inquiry.question.deadline;
}

// Posts under the mutex: a loop that somebody still waits on is alive.
void Examiner::Lane::answer(const InquiryPtr& inquiry, Verdict verdict) {
    const std::scoped_lock lock(inquiry->mutex);
    if (inquiry->loop == nullptr) {
        return;
    }
    inquiry->loop->post([inquiry, verdict = std::move(verdict)]() mutable {
        if (inquiry->wake != nullptr) {
            inquiry->verdict = std::move(verdict);
            inquiry->wake->notify();
        }
    });
}

}  // namespace howdah::auth
