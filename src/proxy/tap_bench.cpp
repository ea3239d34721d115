// What looking at the values costs the loop (bench/insight.py holds it against its targets).
#include <benchmark/benchmark.h>

#include <string>

#include "proxy/tap.hpp"
#include "wire/message.hpp"

namespace howdah::proxy {
namespace {

// One parameter as text, and results in the format that is wanted: 0 text, 1 binary.
std::string bind_values(std::string_view value, int results) {
    wire::Encoder values;
    values.i16(0).i16(1).i32(static_cast<std::int64_t>(value.size())).bytes(value);
    values.i16(1).i16(results);
    return values.take();
}

std::string result(std::size_t rows, std::size_t columns, std::string_view cell) {
    wire::Encoder messages;
    const std::vector<std::string_view> values(columns, cell);
    for (std::size_t i = 0; i < rows; ++i) {
        messages.data_row(values);
    }
    return messages.take();
}

void run(benchmark::State& state, std::size_t rows, std::size_t columns, std::string_view cell,
         int format = 0) {
    Tap tap(42, 0);
    tap.configure(true, 1'000'000'000);
    const std::string values = bind_values("4711", format);
    const std::string answer = result(rows, columns, cell);
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(answer.data()), answer.size());
    std::vector<std::uint64_t> words(TapRecord::kWordsMax);
    for (auto _ : state) {
        if (tap.wants(7, net::TimePoint())) {
            const TapSlotPtr slot = tap.open_bind(values);
            if (rows > 0) {
                tap.rows(*slot, bytes);
            }
            benchmark::DoNotOptimize(tap.close(slot.get(), rows));
        }
        benchmark::DoNotOptimize(tap.ring().pop(words));
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(std::max<std::size_t>(1, rows * columns)));
}

void statement_without_rows(benchmark::State& state) {
    run(state, 0, 1, "");
}
void statement_with_one_row(benchmark::State& state) {
    run(state, 1, 3, "4711");
}
void integer_cells(benchmark::State& state) {
    run(state, 100, 8, "1234567");
}
void uuid_cells(benchmark::State& state) {
    run(state, 100, 8, "123e4567-e89b-12d3-a456-426614174000");
}
void binary_uuid_cells(benchmark::State& state) {
    run(state, 100, 8, "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x01", 1);
}
void text_cells(benchmark::State& state) {
    run(state, 100, 8, "Some name or other");
}
void switched_off(benchmark::State& state) {
    Tap tap(42, 0);
    for (auto _ : state) {
        benchmark::DoNotOptimize(tap.wants(7, net::TimePoint()));
    }
}
void literals_of_a_text(benchmark::State& state) {
    Tap tap(42, 0);
    for (auto _ : state) {
        const TapSlotPtr slot = tap.open_text(
            "select id, name, priority from organizations where segment = 'CAFE' and id > 4711");
        benchmark::DoNotOptimize(slot->binds);
    }
}
BENCHMARK(switched_off);
BENCHMARK(statement_without_rows);
BENCHMARK(statement_with_one_row);
BENCHMARK(literals_of_a_text);
BENCHMARK(integer_cells);
BENCHMARK(uuid_cells);
BENCHMARK(binary_uuid_cells);
BENCHMARK(text_cells);

}  // namespace
}  // namespace howdah::proxy
