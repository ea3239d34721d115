// Asking a server about session state: which parameters are set, and what ties the client to it.

#include <algorithm>
#include <charconv>

#include "proxy/session.hpp"
#include "proxy/session_text.hpp"
#include "proxy/worker.hpp"

namespace howdah::proxy {
namespace {

// What may have made or removed statements under names of ours, behind our back.
constexpr std::uint32_t kMayTouchNames =
    sql::kUnknownCode | sql::kUnparsed | sql::kSqlPrepare | sql::kSqlDeallocate;

// A probe that fails is repeated at once this often, and after each later transaction.
constexpr int kProbeTries = 3;

// The session's own state, as the server sees it: parameters that were set. Every name is
// qualified: the client's search_path is in force.
constexpr std::string_view kProbeSql =
    "SELECT 'v', name, setting FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) "
    "'session' "
    "UNION ALL SELECT 'v', 'role', pg_catalog.current_setting('role') WHERE "
    "pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' "
    "UNION ALL SELECT 'a', 'session_authorization', SESSION_USER::text ";

// And what pins. Whatever is in the temporary schema (2615: pg_namespace) depends on it, for
// PostgreSQL drops it by that.
constexpr std::string_view kPinsSql =
    "UNION ALL SELECT 'p', 't', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_depend WHERE "
    "refclassid OPERATOR(pg_catalog.=) 2615 AND refobjid OPERATOR(pg_catalog.=) "
    "pg_catalog.pg_my_temp_schema()) "
    "UNION ALL SELECT 'p', 'a', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid "
    "OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND locktype OPERATOR(pg_catalog.=) "
    "'advisory') "
    "UNION ALL SELECT 'p', 'h', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE "
    "is_holdable) "
    "UNION ALL SELECT 'p', 'l', NULL WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_listening_channels()) "
    "UNION ALL SELECT 'p', 's', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements "
    "WHERE name OPERATOR(pg_catalog.!~~) 'HOWDAH%' AND name OPERATOR(pg_catalog.!~~) "
    "'PGBOUNCER%')";

// In front of the same, where the client's statement_timeout may have ended the first try.
constexpr std::string_view kPatientSql =
    "SELECT 'v', 'statement_timeout', pg_catalog.current_setting('statement_timeout');"
    "SET LOCAL statement_timeout = 0;";

// Parameters with a dot stand in no list of the server's. Which ones functions of the user's set is
// read in their sources; where a name is computed, nobody can follow it.
constexpr std::string_view kFunctionsSql =
    " UNION ALL SELECT 'v', f.name, pg_catalog.current_setting(f.name, true) FROM (SELECT DISTINCT "
    "COALESCE(m.names[1], m.names[2]) FROM pg_catalog.pg_proc AS p, LATERAL "
    "pg_catalog.regexp_matches(p.prosrc, "
    "'set_config[[:space:]]*[(][[:space:]]*''([a-z_][a-z0-9_$]*[.][a-z0-9_$.]+)''|"
    "[[:<:]]set[[:space:]]+(?:session[[:space:]]+)?([a-z_][a-z0-9_$]*[.][a-z0-9_$.]+)"
    "[[:space:]]*(?:=|to[[:>:]])', 'gi') AS m(names) "
    "WHERE p.oid OPERATOR(pg_catalog.>=) 16384) AS f(name) "
    "WHERE pg_catalog.current_setting(f.name, true) IS NOT NULL";
constexpr std::string_view kComputedNamesSql =
    " UNION ALL SELECT 'p', 'd', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_proc AS p "
    "WHERE p.oid OPERATOR(pg_catalog.>=) 16384 AND p.prosrc OPERATOR(pg_catalog.~*) "
    "'set_config[[:space:]]*[(][[:space:]]*[^[:space:]''][^()]*,[^()]*,[[:space:]]*"
    "(false|''f|[^tf[:space:]])')";

}  // namespace

void Session::start_probe() {
    ++pool_->stats.probes;
    probe_ = std::make_unique<Probe>();
    std::string sql(probe_failures_ == 0 ? "" : kPatientSql);
    sql += kProbeSql;
    const std::uint32_t effects = with_hidden(probed_effects_);
    if ((effects & (kMayPin | sql::kSqlPrepare | sql::kSqlDeallocate)) != 0 || pins_ != 0) {
        sql += kPinsSql;
    }
    std::vector<std::string> names;
    if (custom_names_ != nullptr) {
        names = *custom_names_;
    }
    for (const auto& [name, value] : vars_->values) {
        if (name.find('.') != std::string::npos) {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
        const std::string literal = server::expression_of(name);
        sql += " UNION ALL SELECT 'v', " + literal + ", pg_catalog.current_setting(" + literal +
               ", true) WHERE pg_catalog.current_setting(" + literal + ", true) IS NOT NULL";
    }
    constexpr std::uint32_t kAnyCode = sql::kUnknownCode | sql::kUnparsed;
    if ((effects & kAnyCode) != 0) {
        sql += kFunctionsSql;
    }
    if ((probed_effects_ & kAnyCode) != 0 || pool_->hidden_code.computes_names()) {
        sql += kComputedNamesSql;
    }
    if ((effects & kMayTouchNames) != 0) {
        sql +=
            " UNION ALL SELECT 'n', pg_catalog.count(*)::pg_catalog.text, NULL FROM "
            "pg_catalog.pg_prepared_statements WHERE pg_catalog.starts_with(name, '" +
            worker_.prepared().prefix() + "')";
    }
    inject_query(Purpose::kProbe, sql);
}

void Session::take_probe_row(std::span<const std::uint8_t> row) {
    wire::Reader reader(row);
    reader.u16();
    std::string_view fields[3];
    for (std::string_view& field : fields) {
        const std::uint32_t length = reader.u32();
        field = length == 0xffffffffU ? std::string_view() : reader.bytes(length);
    }
    if (!reader.ok() || fields[0].empty() || fields[1].empty()) {
        probe_->pins |= kPinUnknown;
        return;
    }
    if (fields[0] == "v" && fields[1].starts_with("transaction_")) {
        return;  // of the transaction that the probe itself is
    }
    if (fields[0] == "v") {
        if (fields[1] == "howdah.pin" && fields[2] == "on") {
            probe_->pins |= kPinAsked;
        }
        const auto of_name = [&](const auto& one) { return one.first == fields[1]; };
        if (std::ranges::none_of(probe_->parameters, of_name)) {  // kPatientSql's goes before
            probe_->parameters.emplace_back(fields[1], fields[2]);
        }
    } else if (fields[0] == "n") {
        std::size_t count = 0;
        std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), count);
        probe_->names = count;
    } else if (fields[0] == "a") {
        if (fields[2] != pool_->server_user()) {
            probe_->parameters.emplace_back(fields[1], fields[2]);
        }
    } else {
        switch (fields[1][0]) {
            case 't':
                probe_->pins |= kPinTempObject;
                break;
            case 'a':
                probe_->pins |= kPinAdvisoryLock;
                break;
            case 'h':
                probe_->pins |= kPinHoldCursor;
                break;
            case 'l':
                probe_->pins |= kPinListen;
                break;
            case 's':
                probe_->pins |= kPinPrepared;
                break;
            case 'd':
                probe_->pins |= kPinDynamicParameter;
                break;
            default:
                probe_->pins |= kPinUnknown;
                break;
        }
    }
}

void Session::finish_probe(bool failed) {
    const std::unique_ptr<Probe> probe = std::move(probe_);
    ServerConnection& connection = *lease_->connection;
    if (failed && ++probe_failures_ < kProbeTries) {
        start_probe();  // cancelled, say, by a request that was meant for the client's query
        return;
    }
    const bool discarded = (probed_effects_ & sql::kDiscardAll) != 0;
    const std::uint32_t sticky =
        pins_ & (kPinLargeParse | kPinSequence | (discarded ? 0U : kPinDynamicParameter));
    const std::uint32_t before = pins_;
    pins_ = sticky | (failed ? std::uint32_t{kPinUnknown} : probe->pins);
    if (!worker_.settings().pin_sessions) {
        pins_ = 0;
    }
    if (before == 0 && pins_ != 0) {
        ++pool_->stats.pins;
    }
    if ((pins_ & kPinTempObject) == 0) {
        reading_.own = 0;
    } else if (reading_.own == 0) {
        reading_.own = worker_.next_stamp();
    }
    if (failed) {
        connection.dirty = true;
        return;
    }
    custom_names_.reset();
    if (worker_.settings().track_session_parameters) {
        connection.applied = worker_.parameters().intern(probe->parameters);
        auto wanted = base_vars_->values;
        wanted.insert(wanted.end(), probe->parameters.begin(), probe->parameters.end());
        vars_ = worker_.parameters().intern(std::move(wanted));
    }
    if (probe->names && *probe->names != connection.prepared.size() &&
        (pins_ & (kPinPrepared | kPinLargeParse)) == 0) {
        // Somebody's function took them away, or made one: all of them are prepared again.
        sync_view();
        inject_query(Purpose::kPrepare, "DEALLOCATE ALL");
        return;
    }
    if (pins_ != 0 && connection.applied != vars_) {
        // It stays: a value of the connection string that a RESET took away comes back now.
        follow_parameters();
        return;
    }
    sync_view();
    if (may_release()) {
        release();
    }
}

}  // namespace howdah::proxy
