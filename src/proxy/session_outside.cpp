// The methods that ask somebody else: LDAP and PAM. The password comes in clear, is asked about on
// the examiner's threads, and logs in to the server, too.

#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {

using config::AuthType;
using namespace std::chrono_literals;

namespace {

constexpr auto kAfterLogin = 500ms;

}  // namespace

// Whom the rules let decide, LDAP or PAM: howdah need not know such a user. Empty: neither.
std::string_view Session::asked_outside() const {
    AuthType method = worker_.settings().auth_type;
    if (method == AuthType::kHba) {
        const config::HbaRule* rule = hba_rule();
        method = rule != nullptr ? rule->method : AuthType::kReject;
    }
    return method == AuthType::kLdap ? "LDAP" : method == AuthType::kPam ? "PAM" : "";
}

Error Session::refused_outside(std::string_view who) const {
    const std::string whom =
        worker_.config().pgbouncer ? "" : fmt::format(" for user \"{}\"", user_);
    return Error(ErrorCode::kRefused, "28000",
                 fmt::format("{} authentication failed{}", who, whom));
}

net::Task<Result<>> Session::authenticate_outside(AuthRule rule) {
    const bool ldap = rule.method == AuthType::kLdap;
    const std::string_view who = ldap ? "LDAP" : "PAM";
    const config::Settings& settings = worker_.settings();
    if (settings.auth_type == AuthType::kLdap && settings.auth_ldap_options.empty()) {
        co_return fail(Error(ErrorCode::kRefused, "08P01", "auth_ldap_options is null"));
    }
    wire::Encoder request;
    client_->write(request.authentication(3).view());
    auto given = co_await receive_password_text();
    if (!given) {
        co_return std::unexpected(std::move(given).error());
    }
    if (ldap && rule.ldap == nullptr) {
        log::warning(log_fields(), "{} the rule's LDAP options are wrong: nobody gets in", label());
        co_return fail(refused_outside(who));
    }
    auth::Question question;
    question.ldap = std::move(rule.ldap);
    question.pam_service = std::move(rule.pam_service);
    question.user = user_;
    const net::Address& address = client_->peer().address;
    question.host = address.is_unix() ? "" : address.host();
    question.password = *given;
    if (login_due_ != net::TimePoint::max()) {
        // A little more than the client has: it hears of its own time-out, not of LDAP's.
        question.deadline = steady_now() + (login_due_ - worker_.loop().now()) + kAfterLogin;
    }
    CO_TRY(const auth::Verdict verdict, co_await ask_outside(std::move(question)));
    if (!verdict.remark.empty()) {
        log::warning(log_fields(), "{} {} error: {}", label(), who, verdict.remark);
    }
    if (!verdict.result) {
        log::warning(log_fields(), "{} {}", label(), verdict.result.error().message);
        co_await hold_back(verdict.delay);
        co_return fail(refused_outside(who));
    }
    login_->proved = std::move(*given);
    login_->proved_outside = true;
    co_return Result<>();
}

net::Task<Result<auth::Verdict>> Session::ask_outside(auth::Question question) {
    auto examination = worker_.shared().examiner.begin(wake_, std::move(question));
    if (!examination) {
        log::error(log_fields(), "{} {}", label(), examination.error().message);
        co_return fail(Error(ErrorCode::kRefused, "53300", examination.error().message));
    }
    while (!(*examination)->done() && !client_->ended() && !ending_ && !deadline_.expired()) {
        co_await wake_.wait();
    }
    if ((*examination)->done()) {
        co_return (*examination)->take();
    }
    if (deadline_.expired()) {
        co_return fail(Error(ErrorCode::kTimeout, "08P01", "client_login_timeout"));
    }
    co_return fail(ErrorCode::kIo, "client closed the connection during authentication");
}

// PAM's delay after a refusal, for this client alone.
net::Task<void> Session::hold_back(net::Duration time) {
    net::Deadline due(wake_);
    due.arm(worker_.loop().now() + time);
    while (time.count() > 0 && !due.expired() && !client_->ended() && !ending_ &&
           !deadline_.expired()) {
        co_await wake_.wait();
    }
}

}  // namespace howdah::proxy
