// ServerConnection: one logged-in connection to PostgreSQL, on its loop. Owned by a pool; lent to
// one session at a time. It knows what is on the other side (parameters, prepared names, process
// id); what is asked of it and in which order, the session knows.
//
// 1. `status` is the transaction status of the last ReadyForQuery.
// 2. `applied` is what this proxy has set on it; whoever changes the server's parameters says so.
// 3. `prepared` names what has been prepared under our names, or is being prepared by a Parse that
//    was sent and has not failed yet.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "net/stream.hpp"
#include "server/parameters.hpp"
#include "wire/scram.hpp"
#include "wire/secret.hpp"

namespace howdah::server {

enum class TlsMode : std::uint8_t { kDisable, kAllow, kPrefer, kRequire, kVerifyCa, kVerifyFull };

// How to prove who we are: a password, a stored md5 hash, or a client's SCRAM keys.
using Credentials = std::variant<std::monostate, wire::Secret, wire::ScramKeys>;

// Everything a login needs. Immutable while it lasts.
struct Target {
    net::Address address;
    std::vector<net::Address> more_addresses;  // of the same host, tried when it cannot be reached
    std::string host;                          // as configured: for SNI, verify-full and messages
    std::string user;
    std::string database;
    Credentials credentials;
    std::vector<std::pair<std::string, std::string>> startup;  // further start-up parameters
    TlsMode tls_mode = TlsMode::kPrefer;
    std::shared_ptr<const net::TlsContext> tls;
    wire::ChannelBinding channel_binding = wire::ChannelBinding::kPrefer;
    std::string connect_query;
    std::string question;  // asked last; the answer is the connection's. It may fail
    std::uint32_t protocol_minor = 2;
    net::Duration connect_timeout{};
    net::Duration login_timeout{};
    // Why `credentials` is empty, where there is a reason; for the error a client sees.
    std::string no_credentials;
    // Made from `credentials` at an earlier login: saves the iterations.
    std::optional<wire::ScramKeys> known_keys;
};

// Whether a statement on a server has the columns and parameters that clients were told of.
enum class Judged : std::uint8_t {
    kNot,      // the server has not been asked since it has the statement
    kColumns,  // the columns are the same
    kAll,      // so are the parameters' types
    kOther,    // not the same
    kSpent     // it is refused there until it is prepared anew
};

// The statements a server knows under our names, least recently used first to go.
class PreparedNames {
  public:
    struct Entry {
        std::uint64_t id = 0;
        Judged judged = Judged::kNot;
        net::TimePoint used_at{};  // bound, described or prepared last
    };

    bool contains(std::uint64_t id) const { return index_.contains(id); }
    bool usable(std::uint64_t id) const {
        const auto found = index_.find(id);
        return found != index_.end() && found->second->judged != Judged::kSpent;
    }
    // Null where it is not known; else it is the most recently used. Good until it leaves.
    Entry* use(std::uint64_t id);
    // Known, and not judged, unless it was known before.
    void add(std::uint64_t id);
    void remove(std::uint64_t id);
    void clear();
    std::size_t size() const { return order_.size(); }
    // The least recently used; only when size() > 0.
    std::uint64_t oldest() const { return order_.front().id; }
    std::vector<std::uint64_t> ids() const;

  private:
    std::list<Entry> order_;  // oldest first
    std::unordered_map<std::uint64_t, std::list<Entry>::iterator> index_;
};

// What a server said to Target::question.
struct Answer {
    std::vector<std::string> rows;  // bodies of DataRow
    std::string error;
};

struct ServerConnection {
    std::unique_ptr<net::Stream> stream;
    net::Address address;
    std::string host;
    std::uint64_t id = 0;
    std::string connect_query;       // what it was told at login, and is told again after a reset
    std::unique_ptr<Answer> answer;  // null: nothing was asked
    std::optional<wire::ScramKeys> made_keys;  // from the password, for Target::known_keys
    std::uint32_t pid = 0;
    std::string cancel_key;
    std::uint32_t protocol_minor = 0;
    char status = 'I';

    // Reported by ParameterStatus, names as the server spells them.
    std::vector<std::pair<std::string, std::string>> reported;
    // The same, interned (intern_exact); null after a change, until somebody asks.
    ParameterSetPtr reported_set;
    ParameterSetPtr applied;
    // Somebody's function may have set parameters that no server lists; 0 = nobody's. Before
    // another session has it everything is reset.
    std::uint64_t tainted_by = 0;
    static constexpr std::uint64_t kSomebodys = ~std::uint64_t{0};
    PreparedNames prepared;
    std::uint64_t unnamed_stamp = 0;  // which unnamed statement is on it; 0: none known
    // The session that may have used sequences here last; 0 = nobody since DISCARD.
    std::uint64_t sequences_of = 0;
    bool dirty = false;        // a reset is needed before another client's session
    bool doomed = false;       // close instead of giving it back (RECONNECT, lifetime)
    bool out_of_step = false;  // was told what it must hang up over: never lent again

    net::TimePoint connected_at{};
    net::TimePoint requested_at{};  // last lent
    net::TimePoint released_at{};   // last given back
    std::int64_t connected_wall_us = 0;
    std::int64_t requested_wall_us = 0;
    // While a cancel request is under way nobody else may have the server: it could hit him.
    std::uint32_t cancels_in_flight = 0;
    bool release_pending = false;

    const std::string* reported_value(std::string_view name) const;
    // Takes note of a ParameterStatus; true when the value is new.
    bool note_parameter(std::string_view name, std::string_view value);
};

// Connects and logs in. Suspends. The error of a refusal by the server keeps its SQLSTATE and
// message; code kServer then, else kUnavailable or kTimeout.
net::Task<Result<std::unique_ptr<ServerConnection>>> log_in(net::Loop& loop, const Target& target);

// Sends a CancelRequest and waits until the server closes, at most until `deadline`.
struct CancelTarget {
    net::Address address;
    std::string host;
    std::uint32_t pid = 0;
    std::string key;
    TlsMode tls_mode = TlsMode::kDisable;
    std::shared_ptr<const net::TlsContext> tls;
};
net::Task<Result<>> send_cancel(net::Loop& loop, CancelTarget target, net::TimePoint deadline);

}  // namespace howdah::server
