// Session: one client, from its first byte to its last. Lives on one loop, in one coroutine: run().
//
//     run():  greet -> authenticate -> serve -> part
//     serve(): look at the client's bytes, look at the server's bytes, sleep until either changed
//
// 1. A session has at most one lease. It gives it back only when the server is at rest: status I,
//    nothing outstanding, no COPY, no unread bytes, no pin (may_release()); -R moves both.
// 2. Every byte for the client is either the server's answer to its own request, in order, or made
//    here at the place in that order where PostgreSQL would have said it.
// 3. What the client set (vars_) is on the server before anything of the client's runs there.
// 4. ending_ is a state that is read, not an exception: a session that is told to stop still says
//    goodbye and gives its lease back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/question.hpp"
#include "base/log.hpp"
#include "config/config.hpp"
#include "net/stream.hpp"
#include "pool/pool.hpp"
#include "proxy/asker.hpp"
#include "proxy/auth_lookup.hpp"
#include "proxy/client_counts.hpp"
#include "proxy/handover.hpp"
#include "proxy/hidden_code.hpp"
#include "proxy/pins.hpp"
#include "proxy/prepared.hpp"
#include "proxy/probe.hpp"
#include "proxy/recovery.hpp"
#include "proxy/requests.hpp"
#include "proxy/tap.hpp"
#include "sql/prepared_names.hpp"
#include "sql/statement_cache.hpp"
#include "sql/text_rules.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"
#include "wire/proxy_header.hpp"
#include "wire/startup.hpp"

namespace howdah::proxy {

using server::Judged;
using server::ServerConnection;

class Worker;
class PoolEntry;

// What the start-up packet asks for: "true" and its like, or "database".
enum class Replication : std::uint8_t { kNone, kPhysical, kLogical };

// What the session does, for SHOW CLIENTS.
enum class SessionState : std::uint8_t { kLogin, kActive, kWaiting, kIdle, kReplication, kClosing };

class Session {
  public:
    Session(Worker& worker, std::unique_ptr<net::Stream> client, std::uint64_t id);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    net::Task<void> run();

    // Before run(), for a client that comes from the process before us: it is logged in.
    void arrive(ClientState state, net::Detached server);

    // --- Told by others on this loop ---
    // Ends the session with a FATAL error as soon as it looks. `message` may be empty: just close.
    void end(std::string sqlstate, std::string message);
    // Ends it as soon as it holds no transaction.
    void end_when_idle(std::string sqlstate, std::string message);
    // A cancel request for this session was authenticated.
    void cancel(Asker asker);
    // What this session asked to cancel: on its way to a server of this pool; over.
    void cancel_sent(std::string database, std::string user);
    void cancel_taken();
    // Limits may be others: who waits, runs or idles is held to the new ones.
    void reconfigured();
    // Accepted on one of the last descriptors: will hear that there are no more.
    void set_out_of_descriptors() { out_of_descriptors_ = true; }

    // --- For the console ---
    std::uint64_t id() const { return id_; }
    std::uint32_t cancel_pid() const { return cancel_pid_; }
    const std::string& cancel_key() const { return cancel_key_; }
    const std::string& user() const { return user_; }
    const std::string& database() const { return database_; }
    // As the server reported it last: SET changes it.
    const std::string& application_name() const {
        if (client_view_ != nullptr) {
            for (const auto& [name, value] : client_view_->values) {
                if (name == "application_name") {
                    return value;
                }
            }
        }
        return application_name_;
    }
    SessionState state() const;
    bool is_console() const { return console_; }
    bool in_transaction() const { return lease_ != nullptr && lease_->connection->status != 'I'; }
    net::TimePoint transaction_started() const { return transaction_started_; }
    // Since when nothing runs; nullopt: something does.
    std::optional<net::TimePoint> quiet_since() const {
        return query_active_ ? std::nullopt : std::optional(idle_since_);
    }
    bool waiting() const { return waiter_.queued; }
    net::TimePoint waiting_since() const { return waiter_.since; }
    const pool::Pooled* lease() const { return lease_; }
    PoolEntry* pool() const { return pool_; }
    std::uint32_t pins() const { return pins_; }
    std::size_t prepared_statements() const { return statements_ ? statements_->size() : 0; }
    net::Stream& client() { return *client_; }
    std::int64_t connected_wall_us() const { return connected_wall_us_; }
    std::int64_t requested_wall_us() const { return requested_wall_us_; }
    bool replication() const { return replication_ != Replication::kNone; }
    // "none", "logical" or "physical".
    std::string replication_kind() const;
    bool logged_in() const { return logged_in_; }
    // A connection that only brought a cancel request, and whether that is on its way.
    bool is_cancel_request() const { return cancel_request_; }
    bool cancel_is_sent() const { return cancel_sent_; }
    // Adds what came and went since the last call to the pool's counters.
    void settle_bytes();
    // Nothing half done and nothing unsent: SUSPEND may be answered.
    bool quiet() const;
    // The process is suspended no more.
    void wake() { wake_.notify(); }
    // "C-1f: db/user@127.0.0.1:4711", as PgBouncer's log lines begin.
    std::string label() const;
    log::Fields log_fields() const;
    std::size_t heap_bytes() const;

  private:
    friend class Console;

    // --- session_start.cpp: greeting, TLS, start-up packet ---
    net::Task<bool> greet();
    net::Task<void> pass_cancel(wire::CancelRequest request);
    // Ends a client whose first bytes are no start-up packet.
    void reject_startup(Error error);
    net::Task<bool> take_proxy_header();
    bool proxy_header_trusted() const;
    void take_proxied_peer(const wire::ProxyHeader& header);
    net::Task<Result<wire::StartupPacket>> receive_startup();
    net::Task<bool> secure(bool direct);
    bool refuse_early_bytes(std::string_view request);
    net::Task<bool> take_startup(wire::StartupRequest request);
    Result<> take_parameters(const wire::StartupRequest& request);
    Result<std::vector<std::pair<std::string, std::string>>> read_options(
        std::string_view options) const;
    Result<bool> wants_parameter(const std::string& name, std::string_view where) const;
    Result<> check_client_limit() const;
    void name_application();
    net::Task<bool> welcome();
    // statuses: as ParameterStatus messages.
    void send_welcome(std::string_view statuses);
    void arm_welcome();
    void await_greeting_server();
    Error welcome_timeout() const;
    // A hint for who has waited in vain for a server.
    std::string why_no_server() const;

    // --- session_auth.cpp: who the client is, and whether it may come in ---
    // What the rules say about this connection.
    struct AuthRule {
        config::AuthType method = config::AuthType::kReject;
        std::shared_ptr<const config::IdentMap> map;
        config::LdapOptionsPtr ldap;
        std::string pam_service;
    };
    // What is known of a client while it logs in; gone, and wiped, after.
    struct Login {
        // Null: no such database, or the console. May be the entry "*", which has no name.
        std::shared_ptr<const config::DatabaseSettings> database;
        std::optional<wire::Secret> stored;  // what its password is held against
        std::optional<AuthRequest> lookup;   // where that came from, when not from a file
        server::Credentials proved;          // what it showed, for logging in to the server
        bool proved_outside = false;         // LDAP or PAM took it: it goes before the auth_file's
        bool unknown = false;                // nobody knows the user: it cannot succeed
    };
    net::Task<bool> authenticate();
    net::Task<Result<>> prove();
    net::Task<Result<>> find_user();
    net::Task<Result<>> look_up_user(const std::string& auth_user);
    Result<std::string> auth_database() const;
    Result<> count_database();
    Result<> count_user();
    void log_login_attempt() const;
    const config::HbaRule* hba_rule() const;
    Result<AuthRule> auth_rule() const;
    Result<> finish_login();

    // --- session_proof.cpp: the methods ---
    net::Task<Result<>> authenticate_by(AuthRule rule);
    net::Task<Result<wire::Secret>> receive_password();
    net::Task<Result<wire::Secret>> receive_password_text();
    struct ScramOffer {
        wire::ScramVerifier verifier;
        wire::ScramServerOptions options;
        std::vector<std::string_view> mechanisms;
        bool pass_through = false;  // the client's keys log in to the server
    };
    Result<ScramOffer> scram_offer(bool plus) const;
    bool md5_means_scram() const;
    net::Task<Result<>> authenticate_scram(bool plus);
    net::Task<Result<>> authenticate_md5();
    net::Task<Result<>> authenticate_plain();
    Result<> authenticate_trust() const;
    Result<> authenticate_peer(const config::IdentMap* map) const;
    Result<> authenticate_cert(const config::IdentMap* map) const;
    Error wrong_password() const;

    // --- session_outside.cpp: LDAP and PAM ---
    std::string_view asked_outside() const;
    net::Task<Result<>> authenticate_outside(AuthRule rule);
    net::Task<Result<auth::Verdict>> ask_outside(auth::Question question);
    net::Task<void> hold_back(net::Duration time);
    Error refused_outside(std::string_view who) const;

    // --- console.cpp ---
    bool console_owner() const;
    Result<> enter_console();
    net::Task<void> serve_console();

    // --- session.cpp: the serving loop ---
    net::Task<void> serve();
    net::Task<void> part();
    bool cut_short() const;
    bool check_deadlines();
    void notify_waiting();
    void arm_deadline();
    void fatal(Error error);
    // An error of ours at this place in the client's requests; the session goes on.
    void fail_request(Error error);

    // --- session_handover.cpp: to the process that takes over ---
    bool may_travel() const;
    bool server_may_travel() const;
    bool travel();
    bool detach_server();
    void stay();  // after all, as if nothing had been
    bool leaves() const { return rare_ != nullptr && rare_->leaving; }
    ServerState describe_server() const;
    void arrive_with_server(ServerState state, net::Detached detached);
    ClientState describe() const;
    void arrive_statements(const ClientState& state);

    // --- session_client.cpp: what the client says ---
    void pump_client();
    void read_ahead(std::size_t wanted);
    bool too_many_requests();
    std::size_t max_packet_size() const;
    bool asks_sequences(const sql::Statement& facts);
    bool refuses_block(const sql::Statement& facts);
    bool take_client_frame(wire::Frame frame);
    bool skip_client_frame(wire::Frame frame);
    void drop_client(wire::Frame frame);
    bool on_query(wire::Frame frame);
    bool on_parse(wire::Frame frame);
    bool on_bind(wire::Frame frame);
    void parse_as_is(wire::Frame frame, std::string_view name, const PreparedPtr& prepared);
    void parse_shared(wire::Frame frame, std::string_view name, PreparedPtr prepared);
    void parse_unnamed(wire::Frame frame, std::string_view body, const KnownText& known);
    // What a Bind bound to a portal, for its Execute.
    struct Bound {
        sql::StatementRef facts;
        std::uint64_t text_id = 0;
        TagTable::Seen tags;
        TapSlotPtr tap;
        std::uint64_t params_hash = 0;
        PreparedPtr unjudged;       // null: it is as clients were told, as far as they were
        std::uint32_t segment = 0;  // of the pipeline; kept only with `unjudged`
        bool told_parameters = false;
        bool described = false;  // the client asked for the portal's columns
        bool asked = false;
    };
    Bound& begin_bind(std::string_view portal);
    Bound* bound_to(std::string_view portal);
    void bind_to(Bound& bound, const KnownText& known, std::string_view text,
                 std::string_view values);
    void bind_as_is(wire::Frame frame, Bound& bound, bool unnamed, std::string_view values,
                    const NamedStatement* known);
    bool pgbouncer_refuses(std::string_view name);
    bool on_describe(wire::Frame frame);
    bool on_execute(wire::Frame frame);
    bool on_close(wire::Frame frame);
    bool on_sync(wire::Frame frame);
    bool on_flush(wire::Frame frame);
    bool on_function_call(wire::Frame frame);
    bool on_copy_message(wire::Frame frame);
    bool on_terminate();
    bool copy_may_run();
    bool copy_is_ahead();
    void hurry();
    void send_parse(std::string_view name, std::string_view body);
    void duplicate_parse(std::string_view name, wire::Frame frame);
    bool stream_large(wire::Frame frame);
    bool whole(wire::Frame frame);
    std::span<const std::uint8_t> body(wire::Frame frame);
    void forward_client(wire::Frame frame);
    bool need_server();
    void forward_bind(wire::Frame frame, std::string_view portal, std::size_t name_bytes,
                      std::string_view ours, bool recorded);
    NamedStatement* find_statement(std::string_view name);
    void begin_request();

    // --- session_names.cpp: which statements a server has, what names will mean ---
    bool settled(std::string_view name);
    bool sync_is_outstanding();
    bool sql_names_pending();
    std::optional<Judged> ensure_prepared(const PreparedPtr& prepared);
    void remove_from_server(std::uint64_t id);
    bool transaction_may_have_failed();
    void ensure_unnamed();
    void share_as_read_now(NamedStatement& statement);
    void make_room_for_names();
    Judged bring(NamedStatement& statement);
    bool has_stand_in(std::string_view name) const;
    void close_stand_in(std::string_view name);

    // --- session_parameters.cpp: what the client's texts do to its parameters ---
    // A text that runs now.
    struct Running {
        std::uint32_t effects = 0;
        std::uint64_t text_id = 0;
        std::string_view values;  // bound to it
        std::uint64_t values_hash = 0;
    };
    void note_effects(std::uint32_t effects);
    void note_schema_change(std::uint32_t effects);
    void note_parameters(std::string_view text, Running running);
    void note_custom_names(std::string_view text);
    bool note_custom_name(std::string_view name, std::size_t names_max);
    void pin_for_parameters();
    bool may_reset(const sql::Statement& facts) const;
    std::string restore_sql(bool local) const;
    void restore_behind_query(const sql::Statement& facts);
    void restore_behind_execute(const sql::Statement& facts);
    void change_reading(std::uint64_t by);
    const Reading& reading();

    // --- session_prepare.cpp: PREPARE, EXECUTE and DEALLOCATE in SQL ---
    enum class Rewrite : std::uint8_t { kNothing, kDone, kWait };
    enum class Within : std::uint8_t { kQuery, kPipeline };
    Rewrite rewrite_names(Within within, std::string_view text, const sql::StatementRef& facts,
                          std::string& out, std::unique_ptr<SqlNames>& names);
    void put_our_name(std::string_view text, const sql::PreparedNameUse& use,
                      const std::string& server_name, std::size_t& copied, std::string& out,
                      SqlNames& names);
    // A statement of the extended protocol whose text is a PREPARE, EXECUTE or DEALLOCATE.
    struct Named {
        std::uint32_t effects = 0;  // which of kSqlPrepare, kSqlExecute, kSqlDeallocate
        std::string_view body;      // as Prepared::body
        KnownText known;
        PreparedPtr held;  // what `body` is of, for it may be naming itself
    };
    std::optional<Named> says_names(std::string_view name, const NamedStatement* statement) const;
    Rewrite parse_with_names(const Named& named, std::unique_ptr<SqlNames>& names);
    Rewrite bind_with_names(wire::Frame frame, std::string_view portal, std::string_view name,
                            std::string_view values, const Named& named);
    Rewrite describe_with_names(wire::Frame frame, const Named& named);
    std::unique_ptr<SqlNames> take_bound_names(std::string_view portal);
    bool replay(const PreparedPtr& prepared);
    void repeat_prepare(const PreparedPtr& prepared);
    void run_behind(const std::string& body, const PreparedPtr& prepared);
    NamedStatement* find_sql_statement(const std::string& name);
    void sql_name_done(Request& request, bool prepare);
    bool on_query_with_names(wire::Frame frame, const sql::StatementCache::Lookup& found);
    bool forward_renamed_error(wire::Frame frame, const SqlNames& names);
    SqlNames client_names(const Request& request) const;

    // --- session_described.cpp: rows are those that the client was told of ---
    void note_bound(Bound& bound, const NamedStatement& statement, Judged judged) const;
    bool as_told(Bound& bound);
    void judge(const Description& heard);
    bool is_being_asked(const Prepared& statement);
    void told_otherwise(const Request& request, const Description& heard);
    void refuse_stale(wire::Frame frame, const Prepared& statement);
    static bool refused_as_stale(const Request& request, const wire::ErrorFields& fields);
    void say_stale();
    static constexpr std::string_view kChangedPlan = "0A000";

    // --- session_retry.cpp: a plan that went stale ---
    void record(std::string_view message, std::string_view rest = {});
    bool batch_can_be_sent_again();
    bool client_will_be_told();
    bool retry_changed_plan(const wire::ErrorFields& fields);
    void send_again();

    // --- session_server.cpp: what the server says ---
    void pump_server();
    enum class Fate : std::uint8_t { kForward, kDrop, kNeedMore };
    Fate take_description(wire::Frame frame);
    std::string pass_parameters();
    bool relay_server_front();
    bool relay_rows(wire::Frame frame);
    Fate take_server_frame(wire::Frame frame);
    Fate on_server_error(wire::Frame frame);
    Fate on_ready(wire::Frame frame);
    Fate on_parameter_status(wire::Frame frame);
    Fate complete(RequestKind kind);
    void on_command_complete(std::string_view tag);
    void copy_in_begins();
    std::span<const std::uint8_t> server_body(wire::Frame frame);
    void answer_fakes();
    void after_ready();
    void undo(std::vector<Request> skipped);
    void restore_unnamed(std::unique_ptr<Unnamed> before);
    void on_server_end();

    // --- session_lease.cpp: getting, following and giving back a server ---
    // The pool's; replication has a server to itself, and who came with one from session mode.
    config::PoolMode mode() const;
    pool::Pooled* ask_for_server();
    void link(pool::Pooled* server);
    void follow_parameters();
    bool greets_unchecked() const;
    bool forget_sequences();
    void note_sequences(std::uint32_t effects);
    std::uint32_t lasting_effects() const;
    void log_parameters_set() const;
    void log_canonical_parameters() const;
    void sync_view();
    void finish_injected(Purpose purpose, std::unique_ptr<Error> error);
    void transaction_ended();
    void give_back_refused();
    void refuse_text(Error error);
    void close_leftovers();
    void start_probe();
    void take_probe_row(std::span<const std::uint8_t> body);
    void finish_probe(bool failed);
    bool watches_hidden_code() const;
    std::uint32_t with_hidden(std::uint32_t effects) const;
    bool look_for_hidden_code();
    bool may_release() const;
    void release();
    void abandon_server();
    void inject_query(Purpose purpose, std::string_view sql);

    // --- session_record.cpp: what is counted of a statement ---
    void record_query(const Request& request, bool has_time = true);
    void record_unfinished();
    void record_waiting(std::string_view sqlstate);
    Request waiting_request();
    bool time_is_the_next_ones();
    bool ends_its_batch(const Request& request);
    void record_failure(const Request& failed);
    void note_application();
    bool tapped(const sql::Statement* facts);

    Worker& worker_;
    std::unique_ptr<net::Stream> client_;
    const std::uint64_t id_;
    net::Event wake_;
    net::Deadline deadline_;
    pool::Waiter waiter_;
    pool::Pooled* lease_ = nullptr;
    PoolEntry* pool_ = nullptr;

    std::string user_;
    std::string database_;
    std::string application_name_;
    std::string cancel_key_;
    std::uint32_t cancel_pid_ = 0;
    std::uint32_t protocol_minor_ = 0;

    RequestQueue requests_;
    // Body bytes of a frame that is being forwarded piece by piece.
    std::size_t client_body_left_ = 0;
    std::size_t server_body_left_ = 0;
    bool client_body_dropped_ = false;
    bool server_body_dropped_ = false;

    server::ParameterSetPtr base_vars_;    // from the start-up packet
    server::ParameterSetPtr vars_;         // what the client's session is to have
    server::ParameterSetPtr client_view_;  // ParameterStatus values the client has been told
    std::unique_ptr<NamedStatements> statements_;
    std::unique_ptr<NamedStatements> sql_statements_;
    std::unique_ptr<Unnamed> unnamed_;  // the client's unnamed statement, while it has one
    std::unique_ptr<Unnamed> spare_;    // an object to reuse for the next one
    Bound bound_;                       // to the unnamed portal; others: rare_
    std::unique_ptr<Login> login_;
    ClientCounts::Slot database_slot_;
    ClientCounts::Slot user_slot_;
    // Names with a dot that the transaction's texts mention beside SET or set_config(): no server
    // lists such parameters, so the probe asks for each.
    std::unique_ptr<std::vector<std::string>> custom_names_;
    bool taints_ = false;  // some of them are not known, or there are too many
    // How the client's texts are read now, and the set of parameters that this was made of.
    Reading reading_;
    server::ParameterSetPtr reading_of_;
    // The batch under way, to send it again after a stale plan: see session_retry.cpp.
    std::string batch_;
    std::uint32_t batch_messages_ = 0;
    bool batch_usable_ = false;
    bool batch_answered_ = false;
    Replication replication_ = Replication::kNone;
    std::uint64_t replay_failed_ = 0;  // a PREPARE that could not be repeated on this server
    // What few transactions need; gone with them.
    struct Rare {
        std::vector<Request> retried;
        bool retried_without_sync = false;  // the client's is still to come
        std::string told_parameters;        // by the server, whose word about the columns follows
        // Names of a failed batch that requests on the way to the server still use: ours, the
        // client's.
        std::vector<std::pair<std::string, std::string>> undone;
        std::vector<std::string> leftover_names;  // to close on the server after the pipeline
        // By portal: what the text bound to it does to names, for its Execute.
        std::unordered_map<std::string, std::unique_ptr<SqlNames>> bound_names;
        std::unordered_map<std::string, Bound> bound;  // by name of the portal
        std::optional<net::Detached> leaving;  // its server; empty while something is under way
        std::optional<HiddenCode::Question> hidden;
    };
    std::unique_ptr<Rare> rare_;
    Rare& rare() {
        if (rare_ == nullptr) {
            rare_ = std::make_unique<Rare>();
        }
        return *rare_;
    }
    sql::TextRules rules_;

    std::unique_ptr<Probe> probe_;
    std::uint32_t probed_effects_ = 0;  // of the transaction that the probe follows
    int probe_failures_ = 0;
    std::unique_ptr<Error> ending_error_;

    std::uint32_t pins_ = 0;
    std::uint32_t effects_ = 0;              // of the transaction under way
    Purpose injected_ = Purpose::kNone;      // what we wait for before the client goes on
    Purpose finished_ = Purpose::kNone;      // an injected query that was just answered
    std::unique_ptr<Error> finished_error_;  // null: it succeeded
    std::uint32_t wait_us_ = 0;              // of the request under way
    std::uint32_t wait_before_us_ = 0;       // of earlier leases that ran no statement
    std::uint64_t transaction_id_ = 0;
    net::TimePoint query_started_{};
    net::TimePoint transaction_started_{};
    net::TimePoint wait_started_{};
    net::TimePoint login_due_ = net::TimePoint::max();
    net::TimePoint idle_since_{};
    std::int64_t connected_wall_us_ = 0;
    std::int64_t requested_wall_us_ = 0;
    std::uint64_t server_bytes_ = 0;  // to the client, for the request under way
    std::uint64_t frame_bytes_ = 0;   // of the message that is being looked at, not in that yet
    std::uint64_t rows_relayed_ = 0;  // since the last statement's end
    std::uint64_t bytes_in_counted_ = 0;
    std::uint64_t bytes_out_counted_ = 0;
    std::uint64_t bytes_in_before_ = 0;  // of Parse, Bind and Describe that lead to an Execute
    net::TimePoint answered_at_{};       // the last statement's end
    const server::ParameterSet* application_of_ = nullptr;  // vars_ when application_id_ was found
    std::uint32_t application_id_ = 0;
    std::uint32_t client_id_ = 0;
    bool console_ = false;
    bool console_admin_ = false;
    bool wait_notified_ = false;
    bool cancel_request_ = false;
    bool cancel_sent_ = false;
    bool cancel_taken_ = false;
    bool out_of_descriptors_ = false;
    bool logged_in_ = false;
    bool proxied_ = false;             // client_'s peer is what a PROXY header said
    bool arrived_ = false;             // from the process before us
    bool keeps_session_mode_ = false;  // came from it, with its server
    bool travelled_ = false;           // to the one after us
    bool ending_ = false;
    bool said_goodbye_ = false;
    bool end_when_idle_ = false;
    bool skip_to_sync_ = false;  // an error of ours: ignore everything up to Sync
    bool server_skips_ = false;  // an error of the server's: it ignores everything up to Sync
    bool server_fatal_ = false;  // the client has heard from the server why it ends
    bool renames_ = false;       // statements have our names on the servers
    bool in_copy_ = false;       // COPY IN under way
    bool copy_both_ = false;
    bool cancelled_ = false;
    bool query_active_ = false;
    bool ready_counted_ = false;      // the next ReadyForQuery's bytes are the last statement's
    bool flush_sent_ = false;         // by us, for there are too many requests under way
    bool hurried_ = false;            // by a Flush of ours, behind all that was sent
    bool sql_changes_names_ = false;  // SQL that makes or removes names may be under way
    // In a pipeline: which stretch between two Syncs this is, and in which names last changed.
    std::uint32_t segment_ = 1;
    std::uint32_t named_changed_in_ = 0;  // 0: all that changed them is answered
    std::uint32_t unnamed_changed_in_ = 0;
};

}  // namespace howdah::proxy
