#include "insight/live/window.hpp"

#include <algorithm>

#include "insight/live/transactions.hpp"
#include "sql/statement.hpp"

namespace howdah::insight::live {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t hash = (a ^ (b + 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
    return hash ^ (hash >> 32U);
}

std::int64_t end_of(const QueryEvent& event) {
    return event.started_us + event.queue_us + event.server_us + event.cache_us;
}

std::uint64_t group_of(const QueryEvent& event, std::uint64_t caller) {
    std::uint64_t group = mix(event.client_id, event.user_id);
    group = mix(group, event.application_id);
    group = mix(group, event.database_id);
    return mix(group, caller);
}

// Whether what comes at `begin_us` belongs to the window no more.
bool is_over(const Window& window, std::int64_t begin_us) {
    const std::int64_t age = begin_us - window.begin_us;
    switch (window.kind) {
        case WindowKind::kGroup:
            return begin_us - window.end_us > Windows::kSilenceUs || age > Windows::kGroupUs;
        case WindowKind::kTrace:
            return age > Windows::kTraceUs;
        case WindowKind::kTransaction:
            return age > Windows::kTransactionUs;
    }
    return true;
}

Execution execution_of(const QueryEvent& event) {
    Execution execution;
    execution.key = event.fingerprint;
    execution.parameters =
        event.protocol == QueryProtocol::kExtended ? mix(1, event.params_hash) : event.text_id;
    execution.session = event.session_id;
    execution.tags_id = event.tags_id;
    execution.begin_us = event.started_us;
    execution.end_us = end_of(event);
    execution.rows = event.rows;
    execution.effects = event.effects;
    execution.database = event.database_id;
    execution.user = event.user_id;
    execution.application = event.application_id;
    execution.client = event.client_id;
    execution.server_us = event.server_us;
    execution.kind = event.kind;
    execution.error = event.sqlstate[0] != '\0';
    return execution;
}

// The values' words go into the window's arena, as far as there is room.
void take_values(Window& window, Execution& execution, const TapRecord& tap) {
    execution.words_at = static_cast<std::uint32_t>(window.words.size());
    execution.order = tap.tap_id;
    execution.bind_classes = tap.bind_classes;
    if (window.words.size() + tap.binds.size() > Windows::kWordsMax) {
        return;
    }
    window.words.insert(window.words.end(), tap.binds.begin(), tap.binds.end());
    execution.binds = static_cast<std::uint8_t>(tap.binds.size());
    if (tap.columns == 0) {
        return;
    }
    const std::size_t room =
        std::min(Windows::kResultWordsMax, Windows::kWordsMax - window.words.size());
    const std::size_t rows = std::min(tap.rows, room / tap.columns);
    const auto cells = tap.cells.first(rows * tap.columns);
    window.words.insert(window.words.end(), cells.begin(), cells.end());
    execution.columns = static_cast<std::uint8_t>(tap.columns);
    execution.rows_kept = static_cast<std::uint16_t>(rows);
}

}  // namespace

Window& Windows::window_of(const QueryEvent& event, std::uint64_t key, WindowKind kind) {
    auto found = open_.find(key);
    bool after_silence = true;
    if (found != open_.end() && is_over(*found->second, event.started_us)) {
        after_silence = event.started_us - found->second->end_us > kSilenceUs;
        found->second->burst = found->second->burst && after_silence;
        close(found);
        found = open_.end();
    }
    if (found == open_.end()) {
        if (open_.size() >= kOpenMax) {
            make_room();
        }
        std::unique_ptr<Window> window;
        if (spare_.empty()) {
            window = std::make_unique<Window>();
        } else {
            window = std::move(spare_.back());
            spare_.pop_back();
        }
        window->kind = kind;
        window->burst = after_silence;
        window->begin_us = event.started_us;
        window->end_us = event.started_us;
        found = open_.emplace(key, std::move(window)).first;
    }
    return *found->second;
}

// Its own, or that of the transaction it stands in: some instrumentations leave prepared statements
// without a comment.
std::uint64_t Windows::trace_of(const QueryEvent& event, Place place) {
    if (!place.in_transaction) {
        return event.trace_id;
    }
    if (event.trace_id != 0) {
        if (traces_.size() >= kTracesMax) {
            traces_.clear();
        }
        traces_[event.transaction_id] = event.trace_id;
    }
    const auto known = traces_.empty() ? traces_.end() : traces_.find(event.transaction_id);
    if (known == traces_.end()) {
        return event.trace_id;
    }
    const bool control =
        static_cast<sql::StatementKind>(event.kind) == sql::StatementKind::kTransaction;
    const std::uint64_t trace = event.trace_id == 0 && control ? 0 : known->second;
    if (Transactions::is_end(event)) {
        traces_.erase(known);
    }
    return trace;
}

void Windows::add(const QueryEvent& event, Place place, const TapRecord* tap) {
    WindowKind kind = WindowKind::kGroup;
    std::uint64_t key = mix(3, group_of(event, place.caller));
    if (const std::uint64_t trace = trace_of(event, place); trace != 0) {
        kind = WindowKind::kTrace;
        key = mix(1, trace);
    } else if (place.in_transaction) {
        kind = WindowKind::kTransaction;
        key = mix(2, event.transaction_id);
    }
    Window& window = window_of(event, key, kind);
    Execution execution = execution_of(event);
    if (tap != nullptr) {
        take_values(window, execution, *tap);
    }
    window.begin_us = std::min(window.begin_us, execution.begin_us);
    window.end_us = std::max(window.end_us, execution.end_us);
    window.executions.push_back(execution);
    const bool ended = kind == WindowKind::kTransaction && Transactions::is_end(event);
    if (ended || window.executions.size() >= kExecutionsMax) {
        window.burst = window.burst && ended;
        close(open_.find(key));
    }
}

Windows::Open::iterator Windows::close(Open::iterator at) {
    std::unique_ptr<Window> window = std::move(at->second);
    const auto next = open_.erase(at);
    std::ranges::sort(window->executions, [](const Execution& a, const Execution& b) {
        return a.begin_us != b.begin_us ? a.begin_us < b.begin_us : a.order < b.order;
    });
    closed_(*window);
    window->executions.clear();
    window->words.clear();
    spare_.push_back(std::move(window));
    return next;
}

void Windows::make_room() {
    const auto oldest =
        std::ranges::min_element(open_, {}, [](const auto& item) { return item.second->end_us; });
    close(oldest);
}

void Windows::tick(std::int64_t now_us) {
    for (auto at = open_.begin(); at != open_.end();) {
        const Window& window = *at->second;
        const std::int64_t silence = now_us - window.end_us;
        const bool over =
            window.kind == WindowKind::kTransaction ? silence > kTraceUs : silence > kLateUs;
        at = over ? close(at) : std::next(at);
    }
}

void Windows::close_all() {
    while (!open_.empty()) {
        close(open_.begin());
    }
}

}  // namespace howdah::insight::live
