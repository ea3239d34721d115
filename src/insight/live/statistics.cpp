#include "insight/live/statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace howdah::insight::live {

void Breakdown::add(std::uint64_t id, std::uint64_t us, std::uint64_t calls) {
    for (std::size_t i = 0; i < used_; ++i) {
        if (parts_[i].id == id) {
            parts_[i].calls += calls;
            parts_[i].us += us;
            return;
        }
    }
    if (used_ < kMax) {
        parts_[used_++] = {id, calls, us};
        return;
    }
    std::size_t chosen = turn_;
    for (std::size_t i = 1; i < kMax; ++i) {
        const std::size_t at = (turn_ + i) % kMax;
        chosen = parts_[at].calls < parts_[chosen].calls ? at : chosen;
    }
    turn_ = (chosen + 1) % kMax;
    Part& least = parts_[chosen];
    other_.calls += least.calls;
    other_.us += least.us;
    least = {id, calls, us};
}

void Breakdown::merge(const Breakdown& other) {
    for (const Part& part : other.parts()) {
        add(part.id, part.us, part.calls);
    }
    other_.calls += other.other_.calls;
    other_.us += other.other_.us;
}

bool Breakdown::contains(std::uint64_t id) const {
    return std::ranges::any_of(parts(), [&](const Part& part) { return part.id == id; });
}

void StatementStats::note_error(const std::array<char, 5>& sqlstate, std::uint64_t count) {
    const auto known =
        std::ranges::find(sqlstates, sqlstate, &decltype(sqlstates)::value_type::first);
    if (known != sqlstates.end()) {
        known->second += count;
    } else if (sqlstates.size() < kSqlstatesMax) {
        sqlstates.emplace_back(sqlstate, count);
    }
}

// Whether the same parameters are among the last different ones: what a cache would have answered.
// The oldest makes room: where values had places of their own, two in one place drove each other
// out.
void StatementStats::note_parameters(std::uint64_t parameters) {
    if (std::ranges::find(recent_, parameters) != recent_.end()) {
        ++repeated;
        return;
    }
    recent_[next_recent_] = parameters;
    next_recent_ = (next_recent_ + 1) % kRecent;
}

// The first few, then ever fewer: each call is as likely to be kept as any other.
void StatementStats::take_sample(const TapRecord& tap) {
    std::uint64_t turn = calls - 1;
    if (turn >= kSamples) {
        turn = (calls * 0x9e3779b97f4a7c15ULL >> 20U) % calls;
    }
    if (turn < kSamples) {
        samples[turn] = {tap.bind_classes, static_cast<std::uint8_t>(tap.binds.size())};
    }
    for (std::size_t i = 0; i < tap.binds.size(); ++i) {
        const auto bind = static_cast<std::uint8_t>(tap.bind_classes >> (8 * i));
        if (static_cast<BindClass>(bind >> 5U) == BindClass::kInteger) {
            widest[i] = std::max(widest[i], static_cast<std::uint8_t>(bind & 31U));
        }
    }
}

void StatementStats::add(const QueryEvent& event, const TapRecord* tap, bool in_block) {
    ++calls;
    ++recent_calls;
    rows += event.rows;
    rows_max = std::max(rows_max, event.rows);
    bytes_in += event.bytes_in;
    bytes_out += event.bytes_out;
    queue_us += event.queue_us;
    server_us += event.server_us;
    network_us += event.network_us;
    cache_us += event.cache_us;
    server_us_max = std::max<std::uint64_t>(server_us_max, event.server_us);
    queue.record(event.queue_us);
    server.record(event.server_us);
    network.record(event.network_us);
    cache.record(event.cache_us);
    in_transaction += in_block ? 1U : 0U;
    simple += event.protocol == QueryProtocol::kSimple ? 1U : 0U;
    changes += (event.effects & sql::kWrite) != 0 ? event.rows : 0U;
    effects |= event.effects;
    kind = event.kind;
    if (event.sqlstate[0] != '\0') {
        ++errors;
        note_error(event.sqlstate, 1);
    }
    first_us = first_us == 0 ? event.started_us : std::min(first_us, event.started_us);
    last_us = std::max(last_us, event.started_us);
    const std::uint64_t us =
        std::uint64_t{event.queue_us} + event.server_us + event.network_us + event.cache_us;
    databases.add(event.database_id, us);
    users.add(event.user_id, us);
    applications.add(event.application_id, us);
    clients.add(event.client_id, us);
    tags.add(event.tags_id, us);
    const std::uint64_t bit = (event.text_id * 0x9e3779b97f4a7c15ULL) >> 55U;
    texts_[bit / 64] |= std::uint64_t{1} << (bit % 64);
    note_parameters(event.protocol == QueryProtocol::kExtended ? event.params_hash + 1
                                                               : event.text_id);
    if (tap != nullptr) {
        take_sample(*tap);
    }
}

void StatementStats::merge(const StatementStats& from) {
    calls += from.calls;
    errors += from.errors;
    rows += from.rows;
    rows_max = std::max(rows_max, from.rows_max);
    bytes_in += from.bytes_in;
    bytes_out += from.bytes_out;
    queue_us += from.queue_us;
    server_us += from.server_us;
    network_us += from.network_us;
    cache_us += from.cache_us;
    server_us_max = std::max(server_us_max, from.server_us_max);
    in_transaction += from.in_transaction;
    repeated += from.repeated;
    simple += from.simple;
    changes += from.changes;
    queue.merge(from.queue);
    server.merge(from.server);
    network.merge(from.network);
    cache.merge(from.cache);
    for (const auto& [sqlstate, count] : from.sqlstates) {
        note_error(sqlstate, count);
    }
    first_us = first_us == 0 ? from.first_us : std::min(first_us, from.first_us);
    last_us = std::max(last_us, from.last_us);
    databases.merge(from.databases);
    users.merge(from.users);
    applications.merge(from.applications);
    clients.merge(from.clients);
    tags.merge(from.tags);
}

std::uint64_t StatementStats::distinct_texts() const {
    int set = 0;
    for (const std::uint64_t word : texts_) {
        set += std::popcount(word);
    }
    const double bits = kTextBits;
    const double empty = std::max(1.0, bits - set);
    return static_cast<std::uint64_t>(std::lround(bits * std::log(bits / empty)));
}

void Statistics::add(const QueryEvent& event, const TapRecord* tap, bool in_transaction) {
    if (event.fingerprint == 0) {
        other_.add(event, tap, in_transaction);
        return;
    }
    auto found = entries_.find(event.fingerprint);
    if (found == entries_.end()) {
        if (entries_.size() >= entries_max_) {
            make_room();
        }
        found = entries_.try_emplace(event.fingerprint).first;
        found->second.key = event.fingerprint;
        ++seen_;
    }
    found->second.add(event, tap, in_transaction);
}

void Statistics::make_room() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> used;  // calls, key
    used.reserve(entries_.size());
    for (auto& [key, entry] : entries_) {
        used.emplace_back(entry.recent_calls, key);
        entry.recent_calls /= 2;
    }
    const std::size_t gone = std::max<std::size_t>(1, used.size() / 8);
    std::ranges::nth_element(used, used.begin() + static_cast<std::ptrdiff_t>(gone - 1));
    for (std::size_t i = 0; i < gone; ++i) {
        const auto at = entries_.find(used[i].second);
        other_.merge(at->second);
        entries_.erase(at);
        ++evicted_;
    }
}

const StatementStats* Statistics::find(std::uint64_t key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::uint64_t> Statistics::unknown(std::size_t max) const {
    std::vector<std::uint64_t> keys;
    for (const auto& [key, entry] : entries_) {
        if (!entry.statement && keys.size() < max) {
            keys.push_back(key);
        }
    }
    return keys;
}

void Statistics::learn(std::uint64_t key, sql::StatementRef statement) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
        found->second.statement = std::move(statement);
    }
}

}  // namespace howdah::insight::live
