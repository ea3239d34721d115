#include "insight/schema_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "insight/code_analysis.hpp"
#include "insight/source_text.hpp"

namespace howdah::insight {
namespace {

std::string fix_of(const Table& table, const ForeignKey& key) {
    std::vector<std::string> fields;
    for (const std::string& name : key.columns) {
        const Column* column = table.column(name);
        fields.push_back(column == nullptr ? name : column->field);
    }
    switch (key.origin) {
        case Origin::kPrisma:
            return fmt::format("@@index([{}])", fmt::join(fields, ", "));
        case Origin::kDrizzle: {
            std::string list;
            for (const std::string& field : fields) {
                list += (list.empty() ? "table." : ", table.") + field;
            }
            return fmt::format("index(\"{}_{}\").on({})", table.name, fmt::join(key.columns, "_"),
                               list);
        }
        default:
            return create_index_sql(table.name, key.columns);
    }
}

// An index that begins with all of the key's columns; of a key of several, with any one of them:
// the rows of one tenant, say, are not the whole table.
bool is_served(const Table& table, const ForeignKey& key) {
    return table.leading(key.columns) != nullptr ||
           (key.columns.size() > 1 &&
            std::ranges::any_of(key.columns, [&](const std::string& column) {
                return table.has_leading(column, false);
            }));
}

}  // namespace

std::vector<Finding> check_foreign_keys(const Schema& schema,
                                        const std::set<std::string, std::less<>>& files) {
    std::vector<Finding> findings;
    for (const auto& [name, table] : schema.tables()) {
        std::vector<const ForeignKey*> keys;
        for (const ForeignKey& key : table.foreign_keys) {
            if (files.contains(key.place.file) && !key.columns.empty() && !is_served(table, key)) {
                keys.push_back(&key);
            }
        }
        std::ranges::sort(keys, {}, [](const ForeignKey* key) {
            return std::tuple(key->origin, std::string_view(key->place.file), key->place.line);
        });
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const auto same = [&](const ForeignKey* other) {
                return other->columns == keys[i]->columns;
            };
            if (std::any_of(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i), same)) {
                continue;
            }
            std::string elsewhere;
            for (std::size_t n = i + 1; n < keys.size(); ++n) {
                if (same(keys[n])) {
                    elsewhere += fmt::format("{}{}:{}", elsewhere.empty() ? "also in " : ", ",
                                             keys[n]->place.file, keys[n]->place.line);
                }
            }
            findings.push_back(
                finding_at(rule("unindexed-foreign-key"), keys[i]->place,
                           {.message = fmt::format("no index of {} starts with {}", name,
                                                   fmt::join(keys[i]->columns, ", ")),
                            .fix = fix_of(table, *keys[i]),
                            .evidence = std::move(elsewhere)}));
            if (is_test_code(keys[i]->place.file)) {
                findings.back().severity = Severity::kInfo;
                findings.back().risk = Risk::kLow;
            }
        }
    }
    return findings;
}

}  // namespace howdah::insight
