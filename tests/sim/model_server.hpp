// A model of PostgreSQL for the simulation: the backend side of protocol 3.0, its states and
// errors, without a database. Written from the protocol chapter of the manual and sharing no code
// with src/wire, so that both cannot be wrong in the same way.
//
// Every row says where it comes from, so that a checker can tell a leak from an answer. Three
// columns: the value, the backend ("primary/17": server and process id) and the position ("T4.2":
// status, transactions so far on this backend, statements so far in this one).
//
//   SELECT 'token'           token                    SHOW x            the parameter, one column
//   SELECT $1                the first parameter      SET [LOCAL] x = v, RESET x, RESET ALL
//   SELECT state             user, database, every    BEGIN, COMMIT, ROLLBACK
//                            parameter that was set   PREPARE n AS ..., EXECUTE n, DEALLOCATE n|ALL
//   SELECT rows N            N rows                   DISCARD ALL
//   SELECT sleep N           after N ms; cancellable  COPY t FROM STDIN, COPY t TO STDOUT
//   SELECT view 'value'      sets statement_timeout   anything else: ERROR 42601
//   SELECT fail              ERROR 22012
//
// It also knows what howdah asks for itself: pg_settings and its kin in one SELECT, set_config(),
// and what code the catalog hides.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/loop.hpp"
#include "net/stream.hpp"

namespace howdah::sim {

class ModelSession;

// A bug planted in the server, which looks to clients like one of the proxy's: do the checkers see
// it?
enum class Sabotage : std::uint8_t {
    kNone,
    kLeakParameter,  // RESET and set_config() sometimes change nothing
    kSwapRow,        // a row now and then has the value of another backend's last one
    kTwoBackends,    // a row now and then comes from another backend's transaction
    kLoseAnswer,     // a CommandComplete is never sent
    kSwapStatement,  // a Bind now and then binds another prepared statement
    kHideView,       // the catalog does not tell of the view that sets a parameter
    kKeepOpen,       // a ROLLBACK now and then does not end the transaction, and says that it did
};

struct ModelOptions {
    std::string name = "primary";
    std::string password;  // empty: trust; else asked for in clear text
    std::size_t connections_max = 100;
    // Drawn before each statement is carried out; null: at once.
    std::function<net::Duration()> think;
    Sabotage sabotage = Sabotage::kNone;
    bool view = true;  // there is one that sets a parameter
};

// What happened, for the checker.
struct ModelCounters {
    std::uint64_t logins = 0;
    std::uint64_t logins_refused = 0;
    std::uint64_t statements = 0;
    std::uint64_t errors = 0;
    std::uint64_t cancels_hit = 0;      // stopped a running statement
    std::uint64_t cancels_idle = 0;     // came when nothing ran
    std::uint64_t cancels_unknown = 0;  // no such backend or a wrong key
    std::uint64_t protocol_violations = 0;
    std::uint64_t left_in_transaction = 0;  // the client went away in the middle of one
    std::size_t connections = 0;
    std::size_t connections_peak = 0;
};

// One server. Its sessions run in the caller's task group and end when their clients leave, or at
// shut_down().
class ModelServer {
  public:
    ModelServer(net::Loop& loop, ModelOptions options)
        : loop_(loop), options_(std::move(options)) {}
    ModelServer(const ModelServer&) = delete;
    ModelServer& operator=(const ModelServer&) = delete;
    ~ModelServer();

    // One accepted connection, from its first byte on.
    net::Task<void> serve(std::unique_ptr<net::Stream> stream);
    // Tells every session to end with FATAL 57P01.
    void shut_down();
    // New logins fail with 57P03 until this is taken back.
    void refuse_logins(bool refuse) { refusing_ = refuse; }

    const ModelCounters& counters() const { return counters_; }
    const ModelOptions& options() const { return options_; }

  private:
    friend class ModelSession;
    void cancel(std::uint32_t pid, std::uint32_t key);

    net::Loop& loop_;
    ModelOptions options_;
    ModelCounters counters_;
    std::map<std::uint32_t, ModelSession*> sessions_;
    std::uint32_t next_pid_ = 1;
    // True for one call in `every`, while this is the planted bug.
    bool sabotaged(Sabotage what, std::uint64_t every) {
        return options_.sabotage == what && ++sabotage_calls_ % every == 0;
    }

    bool refusing_ = false;
    std::uint64_t sabotage_calls_ = 0;
    std::string last_row_;  // for Sabotage::kSwapRow
};

}  // namespace howdah::sim
