// live: how large, how busy, how long, how much disk.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "migrate/lint/live.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::int64_t kMegabyte = 1024 * 1024;
constexpr std::int64_t kSmallBytes = 16 * kMegabyte;
constexpr std::int64_t kSmallRows = 10'000;
constexpr std::int64_t kBigBytes = 1024 * kMegabyte;
constexpr std::int64_t kIndexEntryBytes = 40;  // of a key of one or two short columns

struct Estimate {
    double fast_s = 0;
    double slow_s = 0;
    double blocked_per_s = 0;
    double holder_s = 0;
    bool queries = false;  // blocked_per_s counts queries, not scans
};

// Seconds for the work at hand: fast disks to slow ones.
void add_work(Estimate& estimate, const TableEffect& effect, std::int64_t bytes) {
    const double gb = static_cast<double>(bytes) / static_cast<double>(1024 * kMegabyte);
    if (effect.rewrite) {
        estimate.fast_s += gb * 5;
        estimate.slow_s += gb * 40;
    } else if (effect.build) {
        estimate.fast_s += gb * 3;
        estimate.slow_s += gb * 20;
    } else if (effect.scan) {
        estimate.fast_s += gb * 0.5;
        estimate.slow_s += gb * 5;
    }
}

std::string seconds_text(double seconds) {
    return seconds < 0.95 ? fmt::format("{:.1f}", seconds) : fmt::format("{:.0f}", seconds);
}

// "; here blocks about 350 queries a second for 8 to 20 s"
std::string describe(const Estimate& estimate) {
    const std::string rate = fmt::format("{:.0f} {} a second", estimate.blocked_per_s,
                                         estimate.queries ? "queries" : "scans and rows written");
    const bool busy = estimate.blocked_per_s >= 0.5;
    std::string text;
    if (estimate.slow_s >= 0.05) {
        const std::string time =
            fmt::format("{} to {} s", seconds_text(estimate.fast_s), seconds_text(estimate.slow_s));
        text = busy ? fmt::format("; here blocks about {} for {}", rate, time)
                    : fmt::format("; here takes {}", time);
    } else if (busy) {
        text = fmt::format("; here blocks about {} for a moment", rate);
    }
    if (estimate.holder_s >= 1) {
        text += fmt::format(
            "; waits for a transaction that is {:.0f} s old, and all of these behind it until "
            "lock_timeout",
            estimate.holder_s);
    }
    return text;
}

bool loses_data(std::string_view rule) {
    return rule.starts_with("drop-") || rule == "truncate-table" ||
           rule == "data-change-without-where";
}

void move_risk(Finding& finding, const LiveTable& table) {
    if (loses_data(finding.rule)) {
        return;
    }
    const bool small = table.bytes < kSmallBytes && table.rows < kSmallRows;
    if (small && finding.risk > Risk::kLow) {
        finding.risk = finding.risk == Risk::kHigh ? Risk::kMedium : Risk::kLow;
    } else if (table.bytes >= kBigBytes && finding.risk < Risk::kHigh) {
        finding.risk = finding.risk == Risk::kLow ? Risk::kMedium : Risk::kHigh;
    }
}

}  // namespace

std::string human_bytes(std::int64_t bytes) {
    const auto mega = static_cast<double>(bytes) / static_cast<double>(kMegabyte);
    return mega >= 1024 ? fmt::format("{:.1f} GB", mega / 1024) : fmt::format("{:.1f} MB", mega);
}

std::int64_t LiveDatabase::free_bytes(const LiveTable& table) const {
    struct statvfs volume{};
    const std::string& folder = table.tablespace.empty() ? data_directory_ : table.tablespace;
    if (data_directory_.empty() || statvfs(folder.c_str(), &volume) != 0) {
        return -1;
    }
    return static_cast<std::int64_t>(volume.f_bavail * volume.f_frsize);
}

std::string LiveDatabase::evidence(const LiveTable& table, const std::string& name) const {
    std::string text = fmt::format(
        "{}: {}, about {} rows, {:.1f} {}/s, {:.1f} {}/s", name, human_bytes(table.bytes),
        table.rows, table.reads_per_s, counts_queries_ ? "reading queries" : "scans",
        table.writes_per_s, counts_queries_ ? "writing queries" : "rows written");
    if (longest_transaction_s_ > 5) {
        text +=
            fmt::format("; the longest open transaction is {:.0f} s old", longest_transaction_s_);
    }
    if (table.holder_s >= 1) {
        text += fmt::format("; one that holds a lock on it is {:.0f} s old", table.holder_s);
    }
    if (replica_lag_bytes_ > 16 * kMegabyte || replica_lag_s_ > 5) {
        text +=
            fmt::format("; a replica is {} ({:.0f} s) behind",
                        human_bytes(std::max<std::int64_t>(0, replica_lag_bytes_)), replica_lag_s_);
    }
    if (const std::int64_t free = free_bytes(table); free >= 0) {
        text += fmt::format("; {} of disk are free", human_bytes(free));
    }
    return text;
}

void LiveDatabase::weigh(const Project& project, const JudgedAction& judged,
                         LintResult& result) const {
    const std::string& file = project.files[judged.file].path;
    const Action& action = judged.action;
    const TableEffect* worst = nullptr;
    Estimate estimate{.queries = counts_queries_};
    for (const TableEffect& effect : action.effects) {
        const auto known = tables_.find(effect.table);
        if (known == tables_.end() || effect.fresh ||
            (!blocks_writes(effect.lock) && !effect.works())) {
            continue;
        }
        const LiveTable& table = known->second;
        add_work(estimate, effect, table.bytes);
        estimate.blocked_per_s += blocks_reads(effect.lock) ? table.reads_per_s : 0;
        estimate.blocked_per_s += blocks_writes(effect.lock) ? table.writes_per_s : 0;
        estimate.holder_s = std::max(estimate.holder_s, table.holder_s);
        if (worst == nullptr || table.bytes > tables_.at(worst->table).bytes) {
            worst = &effect;
        }
    }
    if (worst == nullptr) {
        return;
    }
    const LiveTable& table = tables_.at(worst->table);
    const std::string impact = describe_impact(action);
    for (Finding& finding : result.findings) {
        if (finding.line != judged.line || finding.file != file || finding.impact.empty() ||
            finding.impact != impact) {
            continue;
        }
        finding.evidence = evidence(table, worst->table);
        finding.impact += describe(estimate);
        move_risk(finding, table);
    }
}

void LiveDatabase::check_disk(const Project& project, const JudgedAction& judged,
                              LintResult& result) const {
    for (const TableEffect& effect : judged.action.effects) {
        const auto known = tables_.find(effect.table);
        if (effect.fresh || known == tables_.end() || (!effect.rewrite && !effect.build)) {
            continue;
        }
        const LiveTable& table = known->second;
        const std::int64_t need = effect.rewrite ? table.bytes : table.rows * kIndexEntryBytes;
        const std::int64_t free = free_bytes(table);
        const std::string what = fmt::format("{} {} needs about {} more disk, and as much WAL",
                                             effect.rewrite ? "writing anew" : "the index of",
                                             effect.table, human_bytes(need));
        if (free >= 0 && 2 * need > free) {
            Finding& finding =
                report(rule_not_enough_disk, project, judged,
                       fmt::format("{}; {} are free", what, human_bytes(free)), result);
            finding.severity = Severity::kError;
            finding.evidence = evidence(table, effect.table);
        } else if (free < 0 && need >= kBigBytes) {
            report(rule_not_enough_disk, project, judged, what, result);
        }
    }
}

}  // namespace howdah::migrate::lint
