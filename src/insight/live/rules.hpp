// The rules of live insight: each finding is made of one, and there are no others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace howdah::insight::live {

enum class Rule : std::uint8_t {
    kNPlusOne,
    kWriteLoop,
    kDuplicateQuery,
    kSequentialReads,
    kUnboundedResult,
    kMissingIndex,
    kSelectStarWide,
    kDeepOffset,
    kInlinedLiterals,
    kVariableInList,
    kIdleInTransaction,
    kLongTransaction,
    kConnectionChurn,
    kTooManyStatements,
    kCacheOpportunity,
    kReplicaOpportunity,
};

// By Rule.
inline constexpr std::array<std::string_view, 16> kRuleNames = {
    "n-plus-one",       "write-loop",          "duplicate-query",     "sequential-reads",
    "unbounded-result", "missing-index",       "select-star-wide",    "deep-offset",
    "inlined-literals", "variable-in-list",    "idle-in-transaction", "long-transaction",
    "connection-churn", "too-many-statements", "cache-opportunity",   "replica-opportunity",
};
static_assert(kRuleNames.size() == static_cast<std::size_t>(Rule::kReplicaOpportunity) + 1);

constexpr std::string_view rule_name(Rule rule) {
    return kRuleNames[static_cast<std::size_t>(rule)];
}

}  // namespace howdah::insight::live
