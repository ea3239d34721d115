#include "sql/builtins.hpp"

#include <algorithm>
#include <array>

#include "sql/statement.hpp"

namespace howdah::sql {
namespace {

#include "sql/builtins_table.inc"
// clang-format on

// Added by PostgreSQL 16, 17 and 18 (release notes, "Functions").
constexpr std::string_view kNewerImmutable =
    "any_value array_reverse array_sort casefold crc32 crc32c erf erfc gamma lgamma to_bin to_oct "
    "unicode_assigned uuid_extract_timestamp uuid_extract_version ";
constexpr std::string_view kNewerStable =
    "date_add date_subtract pg_basetype pg_get_acl pg_input_error_info pg_input_is_valid ";
constexpr std::string_view kNewerVolatile =
    "array_sample array_shuffle random_normal uuidv4 uuidv7 ";

constexpr std::size_t count_names(std::string_view table) {
    return static_cast<std::size_t>(std::ranges::count(table, ' '));
}

template <std::size_t count>
constexpr std::array<std::string_view, count> split_names(std::string_view table) {
    std::array<std::string_view, count> names{};
    std::size_t begin = 0;
    for (std::string_view& name : names) {
        const std::size_t end = table.find(' ', begin);
        name = table.substr(begin, end - begin);
        begin = end + 1;
    }
    return names;
}

constexpr auto kImmutable = split_names<count_names(kImmutableNames)>(kImmutableNames);
constexpr auto kStable = split_names<count_names(kStableNames)>(kStableNames);
constexpr auto kVolatiles = split_names<count_names(kVolatileNames)>(kVolatileNames);
constexpr auto kImmutable2 = split_names<count_names(kNewerImmutable)>(kNewerImmutable);
constexpr auto kStable2 = split_names<count_names(kNewerStable)>(kNewerStable);
constexpr auto kVolatiles2 = split_names<count_names(kNewerVolatile)>(kNewerVolatile);
static_assert(std::ranges::is_sorted(kImmutable) && std::ranges::is_sorted(kImmutable2));
static_assert(std::ranges::is_sorted(kStable) && std::ranges::is_sorted(kStable2));
static_assert(std::ranges::is_sorted(kVolatiles) && std::ranges::is_sorted(kVolatiles2));

// What a call does beyond computing. A name that ends in * stands for all that begin with it; the
// first line that fits counts.
struct Special {
    std::string_view name;
    std::uint32_t effects;
};
constexpr Special kSpecials[] = {
    // Session state that no other server has.
    {"currval", kSequenceState},
    {"lastval", kSequenceState},
    {"nextval", kWrite},
    {"setval", kWrite},
    {"pg_advisory_lock*", kAdvisoryLock},
    {"pg_try_advisory_lock*", kAdvisoryLock},
    {"pg_advisory_unlock*", kMayClean},
    {"pg_advisory_xact_lock*", kRowLock},
    {"pg_try_advisory_xact_lock*", kRowLock},
    {"pg_notify", kNotify},
    {"setseed", kUnknownCode},
    {"pg_backup_start", kUnknownCode | kWrite},  // holds the backup in its session
    {"pg_backup_stop", kUnknownCode | kWrite},
    {"pg_create_logical_replication_slot", kUnknownCode | kWrite},   // may be a temporary one,
    {"pg_create_physical_replication_slot", kUnknownCode | kWrite},  // which its session owns
    {"pg_copy_*", kUnknownCode | kWrite},
    {"pg_replication_origin_session_*", kUnknownCode | kWrite},
    // Run the SQL that they are given.
    {"query_to_xml*", kUnknownCode | kWrite},
    {"cursor_to_xml*", kUnknownCode | kWrite},
    {"ts_stat", kUnknownCode | kWrite},
    {"ts_rewrite", kUnknownCode | kWrite},
    // Internals that nobody calls by name.
    {"binary_upgrade_*", kUnknownCode | kWrite},
    {"plpgsql_*", kUnknownCode | kWrite},
    // Stable by their label, yet they assign a transaction id: not on a replica.
    {"txid_current", kWrite},
    {"pg_current_xact_id", kWrite},
    // Volatile, and change nothing.
    {"clock_timestamp", kEffectNone},
    {"timeofday", kEffectNone},
    {"random", kEffectNone},
    {"random_normal", kEffectNone},
    {"gen_random_uuid", kEffectNone},
    {"uuidv4", kEffectNone},
    {"uuidv7", kEffectNone},
    {"array_sample", kEffectNone},
    {"array_shuffle", kEffectNone},
    {"current_query", kEffectNone},
    {"lo_get", kEffectNone},
    {"pg_sleep*", kEffectNone},
    {"pg_is_in_recovery", kEffectNone},
    {"pg_last_*", kEffectNone},
    {"pg_current_wal_*", kEffectNone},
    {"pg_blocking_pids", kEffectNone},
    {"pg_safe_snapshot_blocking_pids", kEffectNone},
    {"pg_lock_status", kEffectNone},
    {"pg_partition_*", kEffectNone},
    {"pg_database_size", kEffectNone},
    {"pg_indexes_size", kEffectNone},
    {"pg_relation_size", kEffectNone},
    {"pg_table_size", kEffectNone},
    {"pg_tablespace_size", kEffectNone},
    {"pg_total_relation_size", kEffectNone},
    {"pg_stat_get_*", kEffectNone},
    {"pg_sequence_last_value", kEffectNone},
    {"pg_ls_*", kEffectNone},
    {"pg_read_*", kEffectNone},
    {"pg_stat_file", kEffectNone},
    {"pg_xact_status", kEffectNone},
    {"txid_status", kEffectNone},
};

bool fits(const Special& special, std::string_view name) {
    return special.name.ends_with('*')
               ? name.starts_with(special.name.substr(0, special.name.size() - 1))
               : name == special.name;
}

}  // namespace

Volatility builtin_volatility(std::string_view name) {
    const auto in = [name](const auto& names) { return std::ranges::binary_search(names, name); };
    if (in(kImmutable) || in(kImmutable2)) {
        return Volatility::kImmutable;
    }
    if (in(kStable) || in(kStable2)) {
        return Volatility::kStable;
    }
    return in(kVolatiles) || in(kVolatiles2) ? Volatility::kVolatile : Volatility::kUnknown;
}

std::uint32_t builtin_effects(std::string_view name) {
    const bool is_volatile = builtin_volatility(name) == Volatility::kVolatile;
    const std::uint32_t label = is_volatile ? kVolatile : kEffectNone;
    for (const Special& special : kSpecials) {
        if (fits(special, name)) {
            return label | special.effects;
        }
    }
    // A volatile function that was not looked at may write.
    return is_volatile ? label | kWrite : kEffectNone;
}

}  // namespace howdah::sql
