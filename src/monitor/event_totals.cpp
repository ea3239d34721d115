#include "monitor/event_totals.hpp"

#include <algorithm>

#include "monitor/catalogue.hpp"
#include "proxy/name_table.hpp"

namespace howdah::monitor {
namespace {

bool is_class_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

// The class of a SQLSTATE. A server may say anything: what is none counts among the others.
std::string error_class(const QueryEvent& event) {
    if (!is_class_character(event.sqlstate[0]) || !is_class_character(event.sqlstate[1])) {
        return std::string(kOther);
    }
    return {event.sqlstate[0], event.sqlstate[1]};
}

}  // namespace

DatabaseTotals& EventTotals::totals_of(std::uint32_t database_id) {
    const auto found = by_database_.find(database_id);
    if (found != by_database_.end()) {
        return found->second;
    }
    const bool room = by_database_.size() + 1 < Limits::kDatabasesMax;
    return by_database_[room ? database_id : proxy::NameTable::kOther];
}

void EventTotals::observe(std::span<const QueryEvent> events) {
    const std::scoped_lock lock(mutex_);
    for (const QueryEvent& event : events) {
        DatabaseTotals& totals = totals_of(event.database_id);
        const std::uint64_t duration =
            std::uint64_t{event.queue_us} + event.server_us + event.network_us + event.cache_us;
        totals.queue.record(event.queue_us);
        totals.server.record(event.server_us);
        totals.network.record(event.network_us);
        totals.cache.record(event.cache_us);
        totals.duration.record(
            static_cast<std::uint32_t>(std::min<std::uint64_t>(duration, UINT32_MAX)));
        ++totals.queries;
        totals.rows += event.rows;
        totals.bytes_in += event.bytes_in;
        totals.bytes_out += event.bytes_out;
        if (event.sqlstate[0] != '\0') {
            std::string name = error_class(event);
            if (totals.errors.size() >= Limits::kErrorClassesMax && !totals.errors.contains(name)) {
                name = kOther;
            }
            ++totals.errors[name];
        }
    }
}

}  // namespace howdah::monitor
