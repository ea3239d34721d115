// Examiner: whether a user's password is right, asked of LDAP or PAM, away from the loops. Both may
// take as long as somebody else's server does: they run on threads of their own.
//
// 1. Bounded: kLdapThreads threads for LDAP, one for PAM, kWaitingMax questions in front of each. A
//    thread starts when there is something to ask, and stays.
// 2. Who stops waiting is never told, and his question is not asked any more if it has not been.
// 3. Nobody waits for a thread that hangs: not the questions' clients, not the end of the process.
// 4. A question's password is wiped with the question, whatever becomes of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "auth/question.hpp"
#include "net/loop.hpp"

namespace howdah::auth {

// One question under way; of one coroutine on one loop.
class Examination {
  public:
    struct Inquiry;
    explicit Examination(std::shared_ptr<Inquiry> inquiry) : inquiry_(std::move(inquiry)) {}
    ~Examination();
    Examination(const Examination&) = delete;
    Examination& operator=(const Examination&) = delete;

    [[nodiscard]] bool done() const;
    // Once, after done().
    [[nodiscard]] Verdict take();

  private:
    std::shared_ptr<Inquiry> inquiry_;
};

class Examiner {
  public:
    static constexpr int kLdapThreads = 4;
    static constexpr std::size_t kWaitingMax = 1000;

    using Check = std::function<Verdict(const Question&)>;
    // The checks run on the threads; the defaults ask LDAP and PAM.
    explicit Examiner(Check ldap = {}, Check pam = {});
    ~Examiner();
    Examiner(const Examiner&) = delete;
    Examiner& operator=(const Examiner&) = delete;

    // `wake`, of the calling coroutine's loop, is notified when the answer is there; it must live
    // as long as what is returned. Error: kUnavailable, too many wait already.
    [[nodiscard]] Result<std::unique_ptr<Examination>> begin(net::Event& wake, Question question);

  private:
    struct Lane;
    static void run(std::shared_ptr<Lane> lane);

    // The threads have a share: one that hangs at the end is left behind.
    std::shared_ptr<Lane> ldap_, pam_;
};

}  // namespace howdah::auth
