// What the proxy pays for facts: by shape lexer, hash, cache hit by text and by shape, and parse.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "sql/facts.hpp"
#include "sql/hash.hpp"
#include "sql/shape.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::sql {
namespace {

const std::vector<std::string>& texts() {
    static const std::vector<std::string> kTexts = {
        "BEGIN;",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 123456;",
        "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
        "UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 123456;",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 123456, -4711, "
        "CURRENT_TIMESTAMP);",
        R"(SELECT "public"."contacts"."id", "public"."contacts"."name", "public"."contacts"."email",
 "public"."contacts"."priority"::text, "public"."contacts"."organizationId" FROM "public"."contacts"
 WHERE ("public"."contacts"."organizationId" = 'c0ffee00-1234-4321-8888-0123456789ab' AND
 "public"."contacts"."email" ILIKE '%example.org%' AND "public"."contacts"."id" IN (1,2,3,4,5,6,7,8))
 ORDER BY "public"."contacts"."name" ASC LIMIT 20 OFFSET 40
 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',route='%2Fcontacts'*/)"};
    return kTexts;
}

const std::string& text_of(benchmark::State& state) {
    const std::string& text = texts()[static_cast<std::size_t>(state.range(0))];
    state.SetLabel(std::to_string(text.size()) + " bytes");
    return text;
}

void shape(benchmark::State& state) {
    const std::string& text = text_of(state);
    std::vector<char> buffer(64 * 1024);
    for (auto _ : state) {
        benchmark::DoNotOptimize(shape_of(text, buffer));
    }
}

void text_hash(benchmark::State& state) {
    const std::string& text = text_of(state);
    const TextHasher hasher(1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(hasher.hash(text, 1));
    }
}

void hit_by_text(benchmark::State& state) {
    const std::string& text = text_of(state);
    StatementCache cache(1000, 1 << 20, 1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(cache.analyze(text));
    }
}

// Each text is new (a number in a comment), each shape known.
void hit_by_shape(benchmark::State& state) {
    std::string text = text_of(state) + "-- 00000000";
    StatementCache cache(1000, 1 << 20, 1);
    std::uint32_t number = 0;
    for (auto _ : state) {
        ++number;
        for (std::size_t digit = 0; digit < 8; ++digit) {
            text[text.size() - 1 - digit] = static_cast<char>('a' + (number >> digit * 4U & 15U));
        }
        benchmark::DoNotOptimize(cache.analyze(text));
    }
    state.counters["parses"] = static_cast<double>(cache.counters().parses);
}

void miss(benchmark::State& state) {
    const std::string& text = text_of(state);
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_facts(text));
    }
}

BENCHMARK(shape)->DenseRange(0, 5);
BENCHMARK(text_hash)->DenseRange(0, 5);
BENCHMARK(hit_by_text)->DenseRange(0, 5);
BENCHMARK(hit_by_shape)->DenseRange(0, 5);
BENCHMARK(miss)->DenseRange(0, 5);

// A bulk insert of 1,000 rows folds to one row.
void shape_of_bulk_insert(benchmark::State& state) {
    std::string text = "INSERT INTO t (a, b, c) VALUES ";
    for (int row = 0; row < 1000; ++row) {
        text += (row == 0 ? "(" : ", (") + std::to_string(row) + ", 'name " + std::to_string(row) +
                "', 1.25)";
    }
    std::vector<char> buffer(64 * 1024);
    for (auto _ : state) {
        benchmark::DoNotOptimize(shape_of(text, buffer));
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(shape_of_bulk_insert);

}  // namespace
}  // namespace howdah::sql
