// Simple bind, or search and bind, as PostgreSQL's manual describes them ("LDAP Authentication").

#include "auth/ldap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "auth/ldap_clock.hpp"
#include "auth/libldap.hpp"
#include "base/assert.hpp"
#include "base/clock.hpp"

namespace howdah::auth {
namespace {

using namespace std::chrono_literals;
using config::LdapOptions;
using config::LdapScope;
using Clock = std::chrono::steady_clock;

// A server that does not answer is given up after this, for the next one.
constexpr net::Duration kConnectMax = 3s;
// Where the client may take forever to log in, the question may not.
constexpr net::Duration kAnswerMax = 60s;

constexpr std::string_view kUserName = "$username";

Error unavailable(std::string message) {
    return Error(ErrorCode::kUnavailable, std::move(message));
}

Error refused(std::string message) {
    return Error(ErrorCode::kRefused, std::move(message));
}

struct Freer {
    void operator()(char* text) const { libldap().ldap_memfree(text); }
    void operator()(LDAPMessage* message) const { libldap().ldap_msgfree(message); }
};
using Text = std::unique_ptr<char, Freer>;
using Message = std::unique_ptr<LDAPMessage, Freer>;

timeval to_timeval(net::Duration time) {
    const auto us = std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(time).count(), 1000);
    return {us / 1'000'000, us % 1'000'000};
}

int to_native(LdapScope scope) {
    switch (scope) {
        case LdapScope::kBase:
            return LDAP_SCOPE_BASE;
        case LdapScope::kOneLevel:
            return LDAP_SCOPE_ONELEVEL;
        case LdapScope::kSubtree:
            return LDAP_SCOPE_SUBTREE;
        case LdapScope::kChildren:
            return LDAP_SCOPE_CHILDREN;
    }
    return LDAP_SCOPE_BASE;
}

// One connection; opened by the first thing that is asked on it.
class Connection {
  public:
    Connection(const LdapOptions& options, Clock::time_point deadline)
        : options_(options), clock_(deadline) {}
    ~Connection() {
        if (handle_ != nullptr) {
            libldap().ldap_unbind_ext_s(handle_, nullptr, nullptr);
        }
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<> open(const std::string& uris) {
        if (const int code = libldap().ldap_initialize(&handle_, uris.c_str());
            code != LDAP_SUCCESS) {
            return fail(unavailable(fmt::format("could not initialize LDAP: {}", text(code))));
        }
        clock_.watch(handle_);
        const int version = LDAP_VERSION3;
        libldap().ldap_set_option(handle_, LDAP_OPT_PROTOCOL_VERSION, &version);
        if (!options_.start_tls) {
            return {};
        }
        TRY_VOID(limit_time());
        const int code = libldap().ldap_start_tls_s(handle_, nullptr, nullptr);
        return code == LDAP_SUCCESS ? Result<>()
                                    : fail(unavailable(fmt::format(
                                          "could not start LDAP TLS session: {}, server: {}",
                                          text(code), options_.server_text())));
    }

    // The code of libldap; an error when the time is over.
    Result<int> bind(const std::string& dn, std::string_view password) {
        TRY_VOID(limit_time());
        berval secret{password.size(), const_cast<char*>(password.data())};
        return libldap().ldap_sasl_bind_s(handle_, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr,
                                          nullptr, nullptr);
    }

    // The name of the one entry that the filter finds.
    Result<std::string> find(const std::string& filter, const std::string& user) {
        TRY_VOID(limit_time());
        char nothing[] = LDAP_NO_ATTRS;
        char* attributes[] = {nothing, nullptr};
        LDAPMessage* raw = nullptr;
        // Two would do to know that one is not the only one.
        const int code = libldap().ldap_search_ext_s(
            handle_, options_.base_dn->c_str(), to_native(options_.scope), filter.c_str(),
            attributes, 0, nullptr, nullptr, nullptr, 2, &raw);
        const Message found(raw);
        if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) {
            return fail(unavailable(
                fmt::format("could not search LDAP for filter \"{}\" on server \"{}\": {}", filter,
                            options_.server_text(), text(code))));
        }
        const int count = libldap().ldap_count_entries(handle_, found.get());
        if (count == 0) {
            return fail(
                refused(fmt::format("LDAP user \"{}\" does not exist: search for filter "
                                    "\"{}\" on server \"{}\" returned no entries",
                                    user, filter, options_.server_text())));
        }
        if (count != 1 || code != LDAP_SUCCESS) {
            return fail(
                refused(fmt::format("LDAP user \"{}\" is not unique: search for filter "
                                    "\"{}\" on server \"{}\" returned several entries",
                                    user, filter, options_.server_text())));
        }
        LDAPMessage* entry = libldap().ldap_first_entry(handle_, found.get());
        const Text dn(entry != nullptr ? libldap().ldap_get_dn(handle_, entry) : nullptr);
        if (dn == nullptr || *dn == '\0') {
            return fail(
                refused(fmt::format("could not get dn for the first entry matching \"{}\" "
                                    "on server \"{}\"",
                                    filter, options_.server_text())));
        }
        return std::string(dn.get());
    }

    static const char* text(int code) { return libldap().ldap_err2string(code); }

  private:
    // What comes next ends before the deadline.
    Result<> limit_time() {
        const net::Duration left = clock_.left();
        if (left.count() <= 0) {
            return fail(Error(
                ErrorCode::kTimeout,
                fmt::format("LDAP server {} did not answer in time", options_.server_text())));
        }
        const timeval all = to_timeval(left);
        const timeval connect = to_timeval(std::min(left, kConnectMax));
        libldap().ldap_set_option(handle_, LDAP_OPT_TIMEOUT, &all);
        libldap().ldap_set_option(handle_, LDAP_OPT_NETWORK_TIMEOUT, &connect);
        return {};
    }

    const LdapOptions& options_;
    LdapClock clock_;
    LDAP* handle_ = nullptr;
};

// "ldap://host:port ldap://host:port"; without a server in the options, those that DNS has for the
// domain of the base: dc=example,dc=net is example.net.
Result<std::string> server_uris(const LdapOptions& options) {
    std::string uris;
    const auto add = [&](std::string_view host) {
        uris += fmt::format("{}{}://{}", uris.empty() ? "" : " ", options.scheme, host);
    };
    for (const std::string& server : options.servers) {
        add(server);
    }
    if (!uris.empty()) {
        return uris;
    }
    char* raw = nullptr;
    if (libldap().ldap_dn2domain(options.base_dn->c_str(), &raw) != 0 || raw == nullptr) {
        return fail(unavailable("could not extract domain name from ldapbasedn"));
    }
    const Text domain(raw);
    raw = nullptr;
    if (libldap().ldap_domain2hostlist(domain.get(), &raw) != 0 || raw == nullptr) {
        return fail(unavailable(fmt::format(
            "LDAP authentication could not find DNS SRV records for \"{}\"", domain.get())));
    }
    const Text hosts(raw);
    std::string_view rest = hosts.get();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        if (end > 0) {
            add(rest.substr(0, end));
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return uris;
}

// Characters that would have to be escaped in a filter or in a name: nobody is called so, and who
// calls himself so means to be somebody else.
Result<> check_user(const Question& question) {
    const char* const special = question.ldap->searches() ? "*()\\/" : ",+\"\\<>;=";
    return question.user.find_first_of(special) == std::string::npos
               ? Result<>()
               : fail(refused("invalid character in user name for LDAP authentication"));
}

std::string search_filter(const LdapOptions& options, const std::string& user) {
    if (options.search_filter.empty()) {
        return fmt::format(
            "({}={})", options.search_attribute.empty() ? "uid" : options.search_attribute, user);
    }
    std::string filter;
    std::string_view rest = options.search_filter;
    while (!rest.empty()) {
        const std::size_t at = rest.find(kUserName);
        filter += rest.substr(0, at);
        if (at == std::string_view::npos) {
            break;
        }
        filter += user;
        rest.remove_prefix(at + kUserName.size());
    }
    return filter;
}

// The name of the user's entry.
Result<std::string> find_entry(const Question& question, const std::string& uris,
                               Clock::time_point deadline) {
    const LdapOptions& options = *question.ldap;
    if (!options.searches()) {
        return options.prefix + question.user + options.suffix;
    }
    Connection connection(options, deadline);
    TRY_VOID(connection.open(uris));
    TRY(const int code, connection.bind(options.bind_dn, options.bind_password.reveal()));
    if (code != LDAP_SUCCESS) {
        return fail(unavailable(fmt::format(
            "could not perform initial LDAP bind for ldapbinddn \"{}\" on server \"{}\": {}",
            options.bind_dn, options.server_text(), Connection::text(code))));
    }
    return connection.find(search_filter(options, question.user), question.user);
}

Result<> ask(const Question& question) {
    TRY_VOID(load_libldap());
    TRY_VOID(check_user(question));
    const Clock::time_point deadline = std::min(question.deadline, steady_now() + kAnswerMax);
    const LdapOptions& options = *question.ldap;
    TRY(const std::string uris, server_uris(options));
    TRY(const std::string entry, find_entry(question, uris, deadline));
    Connection connection(options, deadline);
    TRY_VOID(connection.open(uris));
    TRY(const int code, connection.bind(entry, question.password.reveal()));
    return code == LDAP_SUCCESS
               ? Result<>()
               : fail(refused(fmt::format("LDAP login failed for user {} on server {}: {}", entry,
                                          options.server_text(), Connection::text(code))));
}

}  // namespace

Verdict ask_ldap(const Question& question) {
    ASSERT(question.ldap != nullptr);
    if (question.password.empty() || question.user.empty()) {
        return {fail(refused("LDAP is not asked without a user name and a password"))};
    }
    return {ask(question)};
}

}  // namespace howdah::auth
