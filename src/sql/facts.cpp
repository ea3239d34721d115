#include "sql/facts.hpp"

#include <pg_query.h>

#include <algorithm>
#include <limits>

#include "sql/builtins.hpp"
#include "sql/facts_walker.hpp"
#include "sql/hash.hpp"
#include "sql/redact.hpp"
#include "sql/tree.hpp"

namespace howdah::sql {
namespace {

void sort_unique(std::vector<Name>& names) {
    std::ranges::sort(names);
    const auto rest = std::ranges::unique(names);
    names.erase(rest.begin(), rest.end());
    names.shrink_to_fit();
}

std::uint64_t fingerprint_of(std::string_view text) {
    const std::string terminated(text);
    PgQueryFingerprintResult result = pg_query_fingerprint(terminated.c_str());
    const std::uint64_t fingerprint = result.error == nullptr ? result.fingerprint : 0;
    pg_query_free_fingerprint_result(result);
    return fingerprint;
}

// Stable across processes, unlike the cache's own hash.
std::uint64_t stable_hash(std::string_view text) {
    constexpr std::uint64_t kFixedSeed = 0x686f77646168ULL;
    static const TextHasher hasher(kFixedSeed);
    return hasher.hash(text, 0).mixed();
}

}  // namespace

std::optional<Facts> parse_facts(std::string_view text) {
    const auto tree = Tree::parse(text);
    if (!tree) {
        return std::nullopt;
    }
    auto statement = std::make_unique<Statement>();
    FactsWalker walker;
    bool read_only = !tree->statements().empty();
    for (const PgQuery__RawStmt* raw : tree->statements()) {
        const std::uint32_t effects = walker.statement(raw->stmt);
        if (statement->statement_count == 0) {
            statement->kind = walker.kind();
        }
        if (statement->statement_count < std::numeric_limits<std::uint16_t>::max()) {
            ++statement->statement_count;
        }
        statement->effects |= effects;
        read_only = read_only && (effects & kReadOnly) != 0;
    }
    statement->effects &= ~static_cast<std::uint32_t>(kReadOnly);
    statement->effects |= read_only ? kReadOnly : kEffectNone;
    statement->effects |= statement->statement_count > 1 ? kMultiple : kEffectNone;
    if (statement->statement_count == 0) {
        statement->kind = StatementKind::kEmpty;
    }
    walker.move_to(*statement);
    sort_unique(statement->tables_read);
    sort_unique(statement->tables_written);
    sort_unique(statement->functions);
    statement->fingerprint = fingerprint_of(text) ^ (walker.inline_code() ? stable_hash(text) : 0);
    statement->normalized = normalize(text);
    statement->normalized.shrink_to_fit();
    return Facts{.statement = StatementRef(statement.release()),
                 .literals_decide = walker.literals_decide()};
}

StatementRef unparsed_facts(std::string_view text) {
    auto statement = std::make_unique<Statement>();
    statement->effects = kUnparsed | kUnknownCode | kWrite;
    statement->statement_count = 1;
    statement->normalized = normalize_unparsed(text);
    statement->fingerprint = stable_hash(statement->normalized);
    return StatementRef(statement.release());
}

}  // namespace howdah::sql
