// What one statement and one file cost (bench/analyze.py holds the numbers against their targets).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "insight/project.hpp"
#include "sql/tree.hpp"

namespace howdah::insight {
namespace {

std::string file_text(const char* path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

Schema pantry_schema() {
    return schema_of({{.path = "schema.sql",
                       .text = file_text("examples/pantrycrm/schema.sql"),
                       .language = Language::kSql}});
}

const std::vector<std::string>& statements() {
    static const std::vector<std::string> kStatements{
        "select id, name, priority, city from organizations where segment = 'CAFE' and id > 5 "
        "order by id limit 25",
        "select o.segment, p.stage, count(*), sum(p.amount) from opportunities p join "
        "organizations o on o.id = p.organization_id group by o.segment, p.stage order by 1, 2",
        "update organizations set last_seen_at = now(), updated_at = now() where id = 5",
        "select * from contacts where lower(email) = 'x' or last_name like '%x'",
        "select c.id, (select count(*) from interactions i where i.contact_id = c.id) from "
        "contacts c where c.organization_id in (select id from organizations where owner_id = 5) "
        "order by c.last_name limit 20 offset 40"};
    return kStatements;
}

void judge(const std::string& text, const Schema& schema) {
    const SourceText source("q.sql", text);
    const SqlPlace place{.source = source};
    Analysis analysis;
    judge_text(text, {place, schema, {}}, analysis);
    benchmark::DoNotOptimize(analysis.findings.data());
}

void BM_Statement(benchmark::State& state) {
    const Schema schema = pantry_schema();
    std::size_t next = 0;
    for (auto _ : state) {
        judge(statements()[next++ % statements().size()], schema);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Statement);

// This thread's CPU time: the machine may be shared.
double cpu_ms() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void BM_StatementP99(benchmark::State& state) {
    const Schema schema = pantry_schema();
    std::vector<double> times;
    for (auto _ : state) {
        for (int i = 0; i < 5000; ++i) {
            const double begun = cpu_ms();
            judge(statements()[static_cast<std::size_t>(i) % statements().size()], schema);
            times.push_back(cpu_ms() - begun);
        }
    }
    std::ranges::sort(times);
    state.counters["p99_ms"] = times[times.size() * 99 / 100];
}
BENCHMARK(BM_StatementP99)->Iterations(3);

void BM_File(benchmark::State& state) {
    const std::string text = file_text("examples/pantrycrm/drizzle/schema.ts");
    for (auto _ : state) {
        const ProjectResult result =
            analyze_files({{.path = "schema.ts", .text = text}}, {}, {.threads = 1});
        benchmark::DoNotOptimize(result.files);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(BM_File);

}  // namespace
}  // namespace howdah::insight
