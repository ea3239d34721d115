// What the client's texts do to its parameters, as far as texts tell: the names that a probe has to
// ask for, and how texts that come later are read.

#include <algorithm>
#include <cctype>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"
#include "sql/parameter_names.hpp"

namespace howdah::proxy {
namespace {

// Of parameters with a dot, in one transaction: what looks like one, and with what a text names as
// one.
constexpr std::size_t kLikelyNamesMax = 64;
constexpr std::size_t kNamesMax = 512;
constexpr std::size_t kNameBytesMax = 128;

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

void Session::note_effects(std::uint32_t effects) {
    effects_ |= effects;
    if ((effects & (sql::kTempObject | sql::kCreateOnCommitDrop)) != 0) {
        reading_.own = worker_.next_stamp();  // names may be those of temporary tables from here on
    }
}

// Who prepares a text from here on wants it read by the new schema.
void Session::note_schema_change(std::uint32_t effects) {
    if ((effects & sql::kDdl) != 0 &&
        (effects & (sql::kTempObject | sql::kCreateOnCommitDrop)) == 0) {
        pool_->hidden_code.schema_changed();
    }
}

// False when there is no room for it.
bool Session::note_custom_name(std::string_view name, std::size_t names_max) {
    if (custom_names_ == nullptr) {
        custom_names_ = std::make_unique<std::vector<std::string>>();
    }
    if (std::ranges::find(*custom_names_, name) != custom_names_->end()) {
        return true;
    }
    if (custom_names_->size() < names_max && name.size() < kNameBytesMax) {
        custom_names_->emplace_back(name);
        return true;
    }
    taints_ = true;
    return false;
}

// Parameters of extensions and applications ("app.user") are in no list of the server's. Whatever
// looks like one in a text that sets parameters is asked for afterwards.
void Session::note_custom_names(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_word(text[at])) {
            ++at;
            continue;
        }
        std::size_t end = at;
        bool dot = false;
        while (end < text.size() &&
               (is_word(text[end]) ||
                (text[end] == '.' && end + 1 < text.size() && is_word(text[end + 1])))) {
            dot = dot || text[end] == '.';
            ++end;
        }
        const bool starts_well = std::isdigit(static_cast<unsigned char>(text[at])) == 0;
        if (dot && starts_well && end - at < kNameBytesMax) {
            note_custom_name(text.substr(at, end - at), kLikelyNamesMax);
        }
        at = end;
    }
}

void Session::change_reading(std::uint64_t by) {
    constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15ULL;
    reading_.changes = (reading_.changes ^ (by != 0 ? by : worker_.next_stamp())) * kMultiplier;
    reading_.changes ^= reading_.changes >> 32;
    reading_.changes += reading_.changes == 0 ? 1U : 0U;
}

// A text is about to run. What it sets with names that it tells is asked for by name; with names
// that it does not tell nobody else gets the server as it is, and this client keeps it.
void Session::note_parameters(std::string_view text, Running running) {
    const std::uint32_t effects = running.effects;
    if ((effects & sql::kSavepoint) != 0 && reading_.changes != 0) {
        change_reading(running.text_id);
    }
    if ((effects & (sql::kSetSession | sql::kSetLocal)) != 0) {
        const sql::ParameterNames names = sql::parameter_names(text, rules_);
        bool decides = names.bound || names.computed || names.listed;
        bool followed = !names.computed;
        for (const std::string& name : names.names) {
            decides = decides || sql::decides_meaning(name);
            if (name.find('.') != std::string::npos) {
                followed = note_custom_name(name, kNamesMax) && followed;
            }
        }
        if (decides) {
            const bool told = !names.computed && !names.listed && running.text_id != 0 &&
                              (!names.bound || running.values_hash != 0);
            change_reading(told ? running.text_id ^ running.values_hash : 0);
        }
        if ((effects & sql::kSetSession) != 0) {
            taints_ = taints_ || names.bound || names.computed;
            if (!followed) {
                pin_for_parameters();
            }
        }
    }
    if ((effects & (sql::kSetSession | sql::kUnknownCode)) != 0) {
        note_custom_names(text);
    }
    if ((effects & sql::kSetSession) != 0) {
        note_custom_names(running.values);
    }
}

// It has set parameters that nobody can ask for by name: they are on this server only.
void Session::pin_for_parameters() {
    if (mode() != config::PoolMode::kSession && worker_.settings().pin_sessions) {
        pool_->stats.pins += pins_ == 0 ? 1U : 0U;
        pins_ |= kPinDynamicParameter;
    }
}

// Whether the text may set a parameter back to its default. The server's default is not what the
// client gave in its connection string, which was set like any other value: where one was, that
// comes back behind the text. (Under a pgbouncer.ini it is lost, as with PgBouncer.) Not behind a
// COPY that the client has yet to feed: there it would be in the way.
bool Session::may_reset(const sql::Statement& facts) const {
    if (base_vars_->values.empty() || facts.has(sql::kCopyIn) || worker_.config().pgbouncer ||
        !facts.has(sql::kSetSession | sql::kSetLocal | sql::kDiscardAll)) {
        return false;
    }
    const auto contains = [&facts](std::string_view word) {
        const auto same = [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) == b;
        };
        return !std::ranges::search(facts.normalized, word, same).empty();
    };
    return contains("reset") || contains("default") || contains("discard");
}

// Sets what the connection string gave wherever the session has no value of its own.
std::string Session::restore_sql(bool local) const {
    std::string values;
    for (const auto& [name, value] : base_vars_->values) {
        if (name != "role" && name != "session_authorization") {
            values += values.empty() ? "(" : ",(";
            values += server::expression_of(name) + "," + server::expression_of(value) + ")";
        }
    }
    if (values.empty()) {
        values = "('howdah.none','')";
    }
    return "SELECT pg_catalog.set_config(v.name,v.value," + std::string(local ? "true" : "false") +
           ") FROM (VALUES " + values +
           ") AS v(name,value) LEFT JOIN pg_catalog.pg_settings AS s "
           "ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) v.name "
           "WHERE s.source OPERATOR(pg_catalog.<>) 'session' OR (s.name IS NULL AND "
           "COALESCE(pg_catalog.current_setting(v.name,true),'') OPERATOR(pg_catalog.=) '')";
}

// The client hears of the end when both are done, and of parameters that are others than before.
void Session::restore_behind_query(const sql::Statement& facts) {
    if (!may_reset(facts)) {
        return;
    }
    requests_.back().keeps_ready = true;
    wire::Encoder query;
    const bool local = !facts.has(sql::kSetSession | sql::kDiscardAll);
    lease_->connection->stream->write(query.query(restore_sql(local)).view());
    requests_.push(RequestKind::kQuery, RequestAction::kSwallow).gives_ready = true;
}

void Session::restore_behind_execute(const sql::Statement& facts) {
    if (!may_reset(facts)) {
        return;
    }
    std::string body = restore_sql(!facts.has(sql::kSetSession | sql::kDiscardAll));
    body.append(3, '\0');
    batch_usable_ = false;
    run_behind(body, nullptr);
}

// How this client's texts are read now.
const Reading& Session::reading() {
    if (reading_of_ != vars_) {
        reading_of_ = vars_;
        std::vector<std::pair<std::string, std::string>> deciding;
        for (const auto& [name, value] : vars_->values) {
            if (sql::decides_meaning(name)) {
                deciding.emplace_back(name, value);
            }
        }
        reading_.parameters = worker_.parameters().intern(std::move(deciding));
    }
    if (pool_ != nullptr) {
        reading_.schema = pool_->hidden_code.schema();
    }
    return reading_;
}

}  // namespace howdah::proxy
