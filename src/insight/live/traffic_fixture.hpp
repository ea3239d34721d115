// Traffic: sessions of applications that do what applications do, as the events and tap records
// that the proxy would send up. One seed draws everything; requests overlap and share connections.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "insight/live/engine.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::insight::live {

using Values = std::vector<std::uint64_t>;  // 0: NULL
using Rows = std::vector<Values>;

class Traffic {
  public:
    explicit Traffic(std::uint64_t seed) : random_(seed) {}

    enum class Mode : std::uint8_t { kTrace, kTransaction, kGroup };

    // One request of an application; statements come one after the other from `now`.
    struct Request {
        Mode mode = Mode::kGroup;
        std::int64_t now = 0;
        std::uint32_t application = 1;
        std::uint64_t trace = 0, transaction = 0, session = 0;
        bool pinned = false;  // to one connection
    };

    Prng& random() { return random_; }

    Request begin(Mode mode, std::int64_t at, std::uint32_t application) {
        Request request{mode, at, application};
        request.session = application * 100 + random_.below(kPool);
        if (mode == Mode::kTrace) {
            request.trace = random_.next();
        } else if (mode == Mode::kTransaction) {
            request.transaction = ++transactions_;
            run(request, "begin", {}, {});
        }
        return request;
    }
    void end(Request& request) {
        if (request.mode == Mode::kTransaction) {
            request.mode = Mode::kGroup;  // the last event says that it is over
            const std::uint64_t transaction = request.transaction;
            run(request, "commit", {}, {});
            events_.back().event.transaction_id = transaction;
        }
    }

    // A statement with its parameters and its answer; the request goes on when it is there.
    void run(Request& request, const std::string& text, const Values& binds, const Rows& rows,
             std::int64_t took_us = 0) {
        took_us = took_us > 0 ? took_us : static_cast<std::int64_t>(random_.between(300, 1500));
        add(request, text, binds, rows, took_us);
        request.now += took_us + static_cast<std::int64_t>(random_.between(20, 300));
    }
    // Promise.all over one statement: all start at once, as far as the pool allows.
    void run_parallel(Request& request, const std::string& text, const std::vector<Values>& binds,
                      const std::vector<Rows>& answers) {
        std::int64_t last = request.now;
        for (std::size_t i = 0; i < binds.size(); ++i) {
            Request one = request;
            one.session = request.application * 100 + i % kPool;
            one.now = request.now + static_cast<std::int64_t>(i / kPool * 900 + i % kPool * 3);
            const auto took = static_cast<std::int64_t>(random_.between(300, 1500));
            add(one, text, binds[i], answers[i], took);
            last = std::max(last, one.now + took);
        }
        request.now = last + 100;
    }
    // The last statement's event came before the server said that a transaction is open.
    void before_ready() { events_.back().event.transaction_status = 'I'; }
    // The last statement failed.
    void fail_last() { events_.back().event.sqlstate = {'4', '0', '0', '0', '1'}; }

    // Everything that was drawn goes through the engine, in the order in which answers were taken.
    void play(Engine& engine) {
        for (const auto& [text, statement] : texts_) {
            QueryEvent first = event_of(*statement, 0);
            first.session_id = 1;
            engine.observe({&first, 1});
            engine.learn(statement->key(), statement);
        }
        engine.close_windows();
        std::sort(events_.begin(), events_.end(), [](const Planned& a, const Planned& b) {
            const auto end = [](const QueryEvent& event) {
                return event.started_us + event.server_us;
            };
            return end(a.event) != end(b.event) ? end(a.event) < end(b.event)
                                                : a.event.tap_id < b.event.tap_id;
        });
        for (const Planned& planned : events_) {
            engine.tick(planned.event.started_us);
            if (!planned.words.empty()) {
                engine.take_tap(planned.words);
            }
            engine.observe({&planned.event, 1});
        }
        engine.close_windows();
    }
    std::uint64_t key_of(const std::string& text) { return statement(text)->key(); }
    [[nodiscard]] std::size_t statements() const { return events_.size(); }

    static constexpr std::uint64_t kPool = 6;

  private:
    struct Planned {
        QueryEvent event;
        std::vector<std::uint64_t> words;
    };

    const sql::StatementRef& statement(const std::string& text) {
        const auto found = texts_.find(text);
        return found != texts_.end() ? found->second
                                     : texts_.emplace(text, sql::analyze(text)).first->second;
    }

    static std::uint64_t hash(std::uint64_t value) {
        std::uint64_t mixed = (value + 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
        return value == 0 ? 0 : mixed ^ (mixed >> 31U);
    }

    QueryEvent event_of(const sql::Statement& facts, std::int64_t at) {
        QueryEvent event;
        event.fingerprint = facts.key();
        event.effects = facts.effects;
        event.kind = static_cast<std::uint8_t>(facts.kind);
        event.protocol = QueryProtocol::kExtended;
        event.started_us = kBegin + at;
        event.database_id = 2;
        event.user_id = 3;
        event.client_id = 4;
        event.application_id = 5;
        event.transaction_id = ++transactions_;
        return event;
    }

    void add(const Request& request, const std::string& text, const Values& binds, const Rows& rows,
             std::int64_t took_us) {
        Planned planned;
        QueryEvent& event = planned.event;
        event = event_of(*statement(text), request.now);
        event.session_id = request.session;
        event.application_id = 5 + request.application;
        event.trace_id = request.trace;
        if (request.mode == Mode::kTransaction) {
            event.transaction_id = request.transaction;
            event.transaction_status = 'T';
        } else if (!request.pinned) {
            // Any connection of the pool that is free.
            event.session_id = request.application * 100 + random_.below(kPool);
        }
        event.server_us = static_cast<std::uint32_t>(took_us);
        event.rows = rows.size();
        event.tap_id = ++taps_;
        event.params_hash = 1;
        for (const std::uint64_t bind : binds) {
            event.params_hash = event.params_hash * 31 + hash(bind);
        }
        const std::size_t columns = rows.empty() ? 0 : rows.front().size();
        const std::size_t kept = std::min(rows.size(), TapRecord::kRowsMax);
        planned.words = {
            0, event.tap_id,
            TapRecord::shape_word(binds.size(), columns, columns == 0 ? 0 : kept, rows.size()), 0};
        for (const std::uint64_t bind : binds) {
            planned.words.push_back(hash(bind));
        }
        for (std::size_t i = 0; i < kept; ++i) {
            for (const std::uint64_t value : rows[i]) {
                planned.words.push_back(hash(value));
            }
        }
        planned.words[0] = planned.words.size();
        events_.push_back(std::move(planned));
    }

    static constexpr std::int64_t kBegin = 1'700'000'000'000'000;
    Prng random_;
    std::vector<Planned> events_;
    std::map<std::string, sql::StatementRef> texts_;
    std::uint64_t taps_ = 0;
    std::uint64_t transactions_ = 1000;
};

inline Names plain_names() {
    const auto name = [](std::uint32_t id) { return "name" + std::to_string(id); };
    return {name, name, name, name};
}

}  // namespace howdah::insight::live
