// The statements that the model server knows, and its transactions and parameters.

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "tests/sim/model_session.hpp"

namespace howdah::sim {
namespace {

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const std::size_t last = text.find_last_not_of(" \t\r\n;");
    return first == std::string::npos || last == std::string::npos || last < first
               ? std::string()
               : text.substr(first, last - first + 1);
}

// Cuts the first word off `text`.
std::string take_word(std::string& text) {
    text = trimmed(text);
    const std::size_t end = std::min(text.find_first_of(" \t\r\n="), text.size());
    std::string word = text.substr(0, end);
    text = trimmed(text.substr(end));
    return word;
}

std::string unquoted(const std::string& text) {
    if (text.size() >= 2 && text.front() == text.back() &&
        (text.front() == '\'' || text.front() == '"')) {
        return text.substr(1, text.size() - 2);
    }
    return text;
}

const std::map<std::string, std::string>& defaults() {
    static const std::map<std::string, std::string> all = {
        {"application_name", ""}, {"client_encoding", "UTF8"},          {"DateStyle", "ISO, MDY"},
        {"TimeZone", "UTC"},      {"search_path", "\"$user\", public"}, {"statement_timeout", "0"}};
    return all;
}

// Parameter names are the same in any case.
std::string canonical(const std::string& name) {
    for (const auto& [known, value] : defaults()) {
        if (upper(known) == upper(name)) {
            return known;
        }
    }
    return name;
}

bool ends_transaction(const std::string& verb) {
    return verb == "COMMIT" || verb == "ROLLBACK" || verb == "END" || verb == "ABORT";
}

bool is_reported(const std::string& name) {
    return name == "application_name" || name == "client_encoding" || name == "DateStyle" ||
           name == "TimeZone";
}

}  // namespace

std::string ModelSession::value_of(const std::string& name) const {
    const std::string key = canonical(name);
    if (const auto found = parameters_.find(key); found != parameters_.end()) {
        return found->second;
    }
    const auto preset = defaults().find(key);
    return preset != defaults().end() ? preset->second : std::string();
}

void ModelSession::set(const std::string& name, const std::string& value, bool local) {
    const std::string key = canonical(name);
    if (local) {
        const auto found = parameters_.find(key);
        after_local_.try_emplace(
            key, found != parameters_.end() ? std::optional(found->second) : std::nullopt);
    } else {
        after_local_.erase(key);
    }
    parameters_[key] = value;
    if (is_reported(key)) {
        send(Message('S').text(key).text(value));
    }
}

// A transaction for one statement or one pipeline, unless there is one.
void ModelSession::begin() {
    if (status_ == Status::kIdle && !implicit_) {
        implicit_ = true;
        at_begin_ = parameters_;
        ++transactions_;
        statements_in_it_ = 0;
    }
}

void ModelSession::end_transaction(bool commit) {
    const auto before = parameters_;
    if (!commit) {
        parameters_ = at_begin_;
    }
    for (const auto& [name, value] : after_local_) {
        if (commit && value) {
            parameters_[name] = *value;
        } else if (commit) {
            parameters_.erase(name);
        }
    }
    after_local_.clear();
    portals_.clear();
    implicit_ = false;
    status_ = Status::kIdle;
    for (const auto& [name, value] : before) {
        if (is_reported(name) && value_of(name) != value) {
            send(Message('S').text(name).text(value_of(name)));
        }
    }
}

std::string ModelSession::state() const {
    std::string text = "user=" + user_ + " database=" + database_;
    for (const auto& [name, value] : parameters_) {
        text.append(" ").append(name).append("=").append(value);
    }
    return text;
}

net::Task<bool> ModelSession::sleep(net::Duration duration) {
    net::Deadline deadline(event_);
    deadline.arm(stream_.loop().now() + duration);
    running_ = true;
    while (!deadline.expired() && !cancelled_ && !terminated_ && stream_.end_error() == 0) {
        co_await event_.wait();
    }
    running_ = false;
    if (std::exchange(cancelled_, false)) {
        problem_ = SqlError{"57014", "canceling statement due to user request"};
        co_return false;
    }
    co_return true;
}

net::Task<std::optional<ModelSession::Answer>> ModelSession::carry_out(std::string sql,
                                                                       const Portal* portal) {
    ++server_.counters_.statements;
    problem_.reset();
    std::string rest = sql;
    const std::string verb = upper(take_word(rest));
    if (status_ == Status::kFailed && !ends_transaction(verb)) {
        problem_ = SqlError{"25P02",
                            "current transaction is aborted, commands ignored until end of "
                            "transaction block"};
        co_return std::nullopt;
    }
    begin();
    ++statements_in_it_;
    if (server_.options_.think && !co_await sleep(server_.options_.think())) {
        co_return std::nullopt;
    }
    std::string words = rest;
    const std::string first = upper(take_word(words));
    if (verb == "SELECT" && first == "SLEEP") {
        const auto ms = std::chrono::milliseconds(std::strtol(words.c_str(), nullptr, 10));
        if (!co_await sleep(ms)) {
            co_return std::nullopt;
        }
    }
    if (verb == "COPY") {
        const bool in = upper(words).find("FROM STDIN") != std::string::npos;
        if (!in) {
            copy_out();
            co_return Answer{"COPY 3", false, false, {}};
        }
        if (!co_await copy_in(first)) {
            co_return std::nullopt;
        }
        co_return Answer{"COPY " + std::to_string(copied_[first]), false, false, {}};
    }
    co_return decide(sql, portal);
}

std::optional<ModelSession::Answer> ModelSession::decide(const std::string& sql,
                                                         const Portal* portal) {
    std::string rest = sql;
    const std::string verb = upper(take_word(rest));
    if (verb == "SELECT") {
        return select(rest, portal);
    }
    if (verb == "WITH") {
        return hidden_code();
    }
    if (verb == "SHOW") {
        return Answer{"SHOW", true, true, {value_of(rest)}};
    }
    if (verb == "BEGIN" || verb == "START" || verb == "COMMIT" || verb == "END" ||
        verb == "ROLLBACK" || verb == "ABORT") {
        return transaction(verb);
    }
    if (verb == "SET" || verb == "RESET") {
        return setting(verb, rest);
    }
    if (verb == "PREPARE" || verb == "EXECUTE" || verb == "DEALLOCATE" || verb == "DISCARD") {
        return named(verb, rest);
    }
    problem_ = SqlError{"42601", "syntax error at or near \"" + verb + "\""};
    return std::nullopt;
}

std::optional<ModelSession::Answer> ModelSession::select(const std::string& rest,
                                                         const Portal* portal) {
    std::string words = rest;
    const std::string first = upper(take_word(words));
    if (first == "FAIL") {
        problem_ = SqlError{"22012", "division by zero"};
        return std::nullopt;
    }
    if (rest.starts_with("'v', name, setting FROM pg_catalog.pg_settings")) {
        return probe(rest);
    }
    if (rest.starts_with("pg_catalog.set_config(")) {
        return set_configs(rest);
    }
    Answer answer{"SELECT 1", true, false, {}};
    if (first == "ROWS") {
        const long count = std::strtol(words.c_str(), nullptr, 10);
        for (long i = 0; i < count; ++i) {
            answer.rows.push_back("row " + std::to_string(i));
        }
        answer.tag = "SELECT " + std::to_string(count);
    } else if (first == "VIEW") {
        set("statement_timeout", unquoted(trimmed(words)), false);
        answer.rows.push_back(unquoted(trimmed(words)));
    } else if (first == "STATE") {
        answer.rows.push_back(state());
    } else if (first.starts_with("$1")) {
        const bool given = portal != nullptr && !portal->parameters.empty();
        answer.rows.push_back(given ? portal->parameters[0].value_or("") : "");
    } else {
        answer.rows.push_back(unquoted(trimmed(rest)));
    }
    return answer;
}

std::optional<ModelSession::Answer> ModelSession::transaction(const std::string& verb) {
    if (verb == "BEGIN" || verb == "START") {
        if (status_ == Status::kIdle) {
            status_ = Status::kInTransaction;
            implicit_ = false;
        }
        return Answer{verb == "BEGIN" ? "BEGIN" : "START TRANSACTION", false, false, {}};
    }
    const bool commit = (verb == "COMMIT" || verb == "END") && status_ != Status::kFailed;
    if (server_.sabotaged(Sabotage::kKeepOpen, 3)) {
        return Answer{commit ? "COMMIT" : "ROLLBACK", false, false, {}};
    }
    end_transaction(commit);
    return Answer{commit ? "COMMIT" : "ROLLBACK", false, false, {}};
}

std::optional<ModelSession::Answer> ModelSession::setting(const std::string& verb,
                                                          const std::string& rest) {
    std::string words = rest;
    std::string name = unquoted(take_word(words));
    if (verb == "RESET") {
        if (server_.sabotaged(Sabotage::kLeakParameter, 2)) {
            return Answer{"RESET", false, false, {}};
        }
        const auto all = parameters_;
        for (const auto& [known, value] : all) {
            if (upper(name) == "ALL" || canonical(name) == known) {
                const auto preset = defaults().find(known);
                set(known, preset != defaults().end() ? preset->second : "", false);
                parameters_.erase(known);
            }
        }
        return Answer{"RESET", false, false, {}};
    }
    const bool local = upper(name) == "LOCAL";
    if (local || upper(name) == "SESSION") {
        name = take_word(words);
    }
    if (words.starts_with("=")) {
        words = trimmed(words.substr(1));
    } else if (std::string after = words; upper(take_word(after)) == "TO") {
        words = after;
    }
    if (name.empty() || words.empty()) {
        problem_ = SqlError{"42601", "syntax error at or near \"SET\""};
        return std::nullopt;
    }
    if (upper(name) == "STATEMENT_TIMEOUT" && unquoted(words).starts_with("-")) {
        problem_ = SqlError{"22023", "invalid value for parameter \"" + name + "\""};
        return std::nullopt;
    }
    set(name, unquoted(words), local);
    return Answer{"SET", false, false, {}};
}

std::optional<ModelSession::Answer> ModelSession::named(const std::string& verb,
                                                        const std::string& rest) {
    std::string words = rest;
    const std::string name = unquoted(take_word(words));
    if (verb == "DISCARD") {
        if (status_ == Status::kInTransaction) {
            problem_ = SqlError{"25001", "DISCARD ALL cannot run inside a transaction block"};
            return std::nullopt;
        }
        statements_.clear();
        return setting("RESET", "ALL") ? std::optional(Answer{"DISCARD ALL", false, false, {}})
                                       : std::nullopt;
    }
    if (verb == "PREPARE") {
        take_word(words);  // AS
        if (!statements_.try_emplace(name, words).second) {
            problem_ = SqlError{"42P05", "prepared statement \"" + name + "\" already exists"};
            return std::nullopt;
        }
        return Answer{"PREPARE", false, false, {}};
    }
    if (verb == "DEALLOCATE" && upper(name) == "ALL") {
        statements_.clear();
        return Answer{"DEALLOCATE ALL", false, false, {}};
    }
    const auto found = statements_.find(name);
    if (found == statements_.end()) {
        problem_ = SqlError{"26000", "prepared statement \"" + name + "\" does not exist"};
        return std::nullopt;
    }
    if (verb == "EXECUTE") {
        return decide(std::string(found->second), nullptr);
    }
    statements_.erase(found);
    return Answer{"DEALLOCATE", false, false, {}};
}

// What this session has set, and what ties a client to it: howdah's question after a transaction.
ModelSession::Answer ModelSession::probe(const std::string& sql) const {
    Answer answer{"SELECT", true, false, {}};
    for (const auto& [name, value] : parameters_) {
        const bool listed = name.find('.') == std::string::npos ||
                            sql.find("current_setting('" + name + "', true)") != std::string::npos;
        if (listed) {
            answer.table.push_back({"v", name, value});
        }
    }
    answer.table.push_back({"a", "session_authorization", user_});
    for (const auto& [name, text] : statements_) {
        if (!name.empty() && !name.starts_with("HOWDAH")) {
            answer.table.push_back({"p", "s", ""});
        }
    }
    answer.tag = "SELECT " + std::to_string(answer.table.size());
    return answer;
}

// howdah's question about the catalog: there is a view that sets a parameter.
ModelSession::Answer ModelSession::hidden_code() {
    Answer answer{"SELECT 0", true, false, {}};
    if (server_.options_.view && !server_.sabotaged(Sabotage::kHideView, 1)) {
        answer.table.push_back({"r", "1", "the view", "f"});
        answer.tag = "SELECT 1";
    }
    return answer;
}

// pg_catalog.set_config('name','value',false), ... And what follows a RESET, which leaves alone
// what the session has set: pg_catalog.set_config(v.name,v.value,false) FROM (VALUES
// ('name','value'), ...
std::optional<ModelSession::Answer> ModelSession::set_configs(std::string calls) {
    const bool restores = calls.find("(v.name,v.value,") != std::string::npos;
    const bool local = calls.find("(v.name,v.value,true)") != std::string::npos;
    if (restores) {
        calls = calls.substr(0, calls.find(" AS v(name,value)"));
    }
    while (true) {
        std::string words[2];
        for (std::string& word : words) {
            const std::size_t begin = calls.find('\'');
            const std::size_t end =
                begin == std::string::npos ? begin : calls.find('\'', begin + 1);
            if (end == std::string::npos) {
                return Answer{"SELECT 1", true, false, {}};
            }
            word = calls.substr(begin + 1, end - begin - 1);
            calls.erase(0, end + 1);
        }
        if (restores && parameters_.contains(canonical(words[0]))) {
            continue;
        }
        if (!server_.sabotaged(Sabotage::kLeakParameter, 2)) {
            set(words[0], words[1], local);
        }
    }
}

bool ModelSession::refuses(const std::string& sql) {
    std::string rest = sql;
    if (status_ != Status::kFailed || ends_transaction(upper(take_word(rest)))) {
        return false;
    }
    error({"25P02",
           "current transaction is aborted, commands ignored until end of transaction block"});
    return true;
}

bool ModelSession::returns_rows(const std::string& sql) const {
    std::string rest = sql;
    const std::string verb = upper(take_word(rest));
    return verb == "SELECT" || verb == "SHOW";
}

void ModelSession::row_description(const std::string& sql) {
    std::string rest = sql;
    std::string verb = upper(take_word(rest));
    if (verb == "EXECUTE") {
        if (const auto found = statements_.find(unquoted(take_word(rest)));
            found != statements_.end()) {
            rest = found->second;
            verb = upper(take_word(rest));
        }
    }
    const auto column = [](Message& message, const char* name) {
        message.text(name).int32(0).int16(0).int32(25).int16(-1).int32(-1).int16(0);
    };
    if (verb == "SELECT") {
        Message message('T');
        message.int16(3);
        for (const char* name : {"value", "backend", "position"}) {
            column(message, name);
        }
        send(std::move(message));
    } else if (verb == "SHOW") {
        Message message('T');
        message.int16(1);
        column(message, rest.c_str());
        send(std::move(message));
    } else {
        send(Message('n'));
    }
}

void ModelSession::send_table_row(const Rows& values) {
    Message row('D');
    row.int16(static_cast<int>(values.size()));
    for (const std::string& value : values) {
        row.counted(value);
    }
    send(std::move(row));
}

void ModelSession::send_row(const std::string& value, bool is_show) {
    const std::string shown = server_.sabotaged(Sabotage::kSwapRow, 50) ? server_.last_row_ : value;
    server_.last_row_ = value;
    std::uint32_t pid = pid_;
    if (server_.sabotaged(Sabotage::kTwoBackends, 50)) {
        pid = server_.sessions_.begin()->first;
    }
    Message row('D');
    row.int16(is_show ? 1 : 3).counted(shown);
    if (!is_show) {
        row.counted(server_.options_.name + "/" + std::to_string(pid))
            .counted(static_cast<char>(status_) + std::to_string(transactions_) + "." +
                     std::to_string(statements_in_it_));
    }
    send(std::move(row));
}

}  // namespace howdah::sim
