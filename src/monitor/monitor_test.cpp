#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "monitor/catalogue.hpp"
#include "monitor/collect.hpp"
#include "monitor/exposition.hpp"

namespace howdah::monitor {
namespace {

std::string file_text(const char* path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

TEST(Catalogue, NamesKeepTheConventions) {
    std::set<std::string_view> seen;
    for (const MetricSpec& spec : catalogue()) {
        EXPECT_TRUE(seen.insert(spec.name).second) << spec.name << " stands there twice";
        EXPECT_EQ(spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
                  std::string_view::npos)
            << spec.name;
        EXPECT_FALSE(spec.help.empty()) << spec.name;
        EXPECT_EQ(spec.type == MetricType::kCounter, spec.name.ends_with("_total")) << spec.name;
        EXPECT_EQ(spec.type == MetricType::kInfo, spec.name.ends_with("_info")) << spec.name;
        if (!spec.unit.empty()) {
            EXPECT_NE(spec.name.find(spec.unit), std::string_view::npos) << spec.name;
        }
    }
}

TEST(Catalogue, DocsAreCurrent) {
    if (std::getenv("HOWDAH_WRITE_DOCS") != nullptr) {
        std::ofstream("docs/metrics.md") << catalogue_markdown();
    }
    EXPECT_EQ(file_text("docs/metrics.md"), catalogue_markdown())
        << "write it again: HOWDAH_WRITE_DOCS=1 build/debug/src/monitor/test_monitor";
}

TEST(Exposition, LabelsAndHelpAreEscaped) {
    const MetricSpec spec{"howdah_x", MetricType::kGauge, "", "database,user", "back\\slash\nline"};
    const Family family{&spec, {{{"a\"b\\c\nd", "\xff\xc3\xa9\xed\xa0\x80"}, 1.5}}};
    EXPECT_EQ(
        expose({&family, 1}, Exposition::kPrometheusText),
        "# HELP howdah_x back\\\\slash\\nline\n"
        "# TYPE howdah_x gauge\n"
        "howdah_x{database=\"a\\\"b\\\\c\\nd\",user=\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd"
        "\xef\xbf\xbd\"} 1.5\n");
}

TEST(Exposition, CountersInfosAndUnitsAreNamedAsEachFormatWants) {
    const MetricSpec counter{"howdah_cpu_seconds_total", MetricType::kCounter, "seconds", "", "h"};
    const MetricSpec info{"howdah_build_info", MetricType::kInfo, "", "version", "h"};
    const Family families[] = {{&counter, {{{}, 2}}}, {&info, {{{"1"}, 1}}}};
    EXPECT_EQ(expose(families, Exposition::kOpenMetrics),
              "# HELP howdah_cpu_seconds h\n# TYPE howdah_cpu_seconds counter\n"
              "# UNIT howdah_cpu_seconds seconds\nhowdah_cpu_seconds_total 2\n"
              "# HELP howdah_build h\n# TYPE howdah_build info\n"
              "howdah_build_info{version=\"1\"} 1\n# EOF\n");
    EXPECT_EQ(expose(families, Exposition::kPrometheusText),
              "# HELP howdah_cpu_seconds_total h\n# TYPE howdah_cpu_seconds_total counter\n"
              "howdah_cpu_seconds_total 2\n"
              "# HELP howdah_build_info h\n# TYPE howdah_build_info gauge\n"
              "howdah_build_info{version=\"1\"} 1\n");
}

TEST(Exposition, NumbersAreWrittenWhole) {
    const MetricSpec spec{"g", MetricType::kGauge, "", "", "h"};
    const Family family{&spec,
                        {{{}, 1e300},
                         {{}, 9007199254740993.0},
                         {{}, std::numeric_limits<double>::infinity()},
                         {{}, std::numeric_limits<double>::quiet_NaN()}}};
    const std::string text = expose({&family, 1}, Exposition::kPrometheusText);
    EXPECT_NE(text.find("g 1e+300\n"), std::string::npos) << text;
    EXPECT_NE(text.find("g 9007199254740992\n"), std::string::npos) << text;
    EXPECT_NE(text.find("g +Inf\n"), std::string::npos) << text;
    EXPECT_NE(text.find("g NaN\n"), std::string::npos) << text;
}

TEST(Exposition, HistogramsAreCumulativeAndEndWithInfinity) {
    const MetricSpec spec{"h_seconds", MetricType::kHistogram, "seconds", "database", "h"};
    const Family family{&spec, {{{"shop"}, 3.25, {{0.1, 1}, {1, 3}}, 4}}};
    EXPECT_EQ(expose({&family, 1}, Exposition::kPrometheusText),
              "# HELP h_seconds h\n# TYPE h_seconds histogram\n"
              "h_seconds_bucket{database=\"shop\",le=\"0.1\"} 1\n"
              "h_seconds_bucket{database=\"shop\",le=\"1.0\"} 3\n"
              "h_seconds_bucket{database=\"shop\",le=\"+Inf\"} 4\n"
              "h_seconds_sum{database=\"shop\"} 3.25\n"
              "h_seconds_count{database=\"shop\"} 4\n");
}

TEST(Exposition, TheAcceptHeaderChooses) {
    EXPECT_EQ(negotiate(""), Exposition::kPrometheusText);
    EXPECT_EQ(negotiate("*/*"), Exposition::kPrometheusText);
    EXPECT_EQ(negotiate("text/html, application/xhtml+xml"), Exposition::kPrometheusText);
    // As Prometheus 2.42 sends it.
    EXPECT_EQ(negotiate("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                        "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
              Exposition::kOpenMetrics);
    EXPECT_EQ(negotiate("text/plain, application/openmetrics-text;q=0.5"),
              Exposition::kPrometheusText);
    EXPECT_EQ(negotiate("application/openmetrics-text;version=2.0.0"), Exposition::kPrometheusText);
    EXPECT_EQ(negotiate("application/openmetrics-text;q=0"), Exposition::kPrometheusText);
    EXPECT_EQ(negotiate(";;,,=q"), Exposition::kPrometheusText);
}

QueryEvent event(std::uint32_t database, std::uint32_t server_us, const char* sqlstate = nullptr) {
    QueryEvent made;
    made.database_id = database;
    made.server_us = server_us;
    made.rows = 1;
    for (std::size_t i = 0; sqlstate != nullptr && i < 5; ++i) {
        made.sqlstate[i] = sqlstate[i];
    }
    return made;
}

TEST(EventTotals, AddUpByDatabase) {
    EventTotals totals;
    QueryEvent events[] = {event(2, 100), event(2, 900, "23505"), event(3, 50, "\x01?abc")};
    events[0].cache_us = 70;
    totals.observe(events);
    std::size_t seen = 0;
    totals.for_each([&](std::uint32_t id, const DatabaseTotals& one) {
        ++seen;
        if (id == 2) {
            EXPECT_EQ(one.queries, 2U);
            EXPECT_EQ(one.rows, 2U);
            EXPECT_EQ(one.server.sum_us(), 1000U);
            EXPECT_EQ(one.cache.sum_us(), 70U);
            EXPECT_EQ(one.cache.count_below(1), 1U);
            EXPECT_EQ(one.duration.sum_us(), 1070U);
            EXPECT_EQ(one.server.count_below(1000), 2U);
            EXPECT_EQ(one.errors, (std::map<std::string, std::uint64_t>{{"23", 1}}));
        } else {
            EXPECT_EQ(one.errors, (std::map<std::string, std::uint64_t>{{"(other)", 1}}));
        }
    });
    EXPECT_EQ(seen, 2U);
}

TEST(EventTotals, DatabasesAndErrorClassesAreBounded) {
    EventTotals totals;
    std::uint64_t sent = 0;
    for (std::uint32_t id = 2; id < 600; ++id, ++sent) {
        const QueryEvent one = event(id, 1);
        totals.observe({&one, 1});
    }
    for (char a = 'A'; a <= 'Z'; ++a) {
        for (char b = 'A'; b <= 'Z'; ++b, ++sent) {
            const char state[] = {a, b, '0', '0', '0', '\0'};
            const QueryEvent one = event(2, 1, state);
            totals.observe({&one, 1});
        }
    }
    std::size_t databases = 0;
    std::uint64_t counted = 0;
    totals.for_each([&](std::uint32_t, const DatabaseTotals& one) {
        ++databases;
        counted += one.queries;
        EXPECT_LE(one.errors.size(), Limits::kErrorClassesMax + 1);
    });
    EXPECT_EQ(databases, Limits::kDatabasesMax);
    EXPECT_EQ(counted, sent);
}

TEST(Merge, PoolsOfAllLoopsAddUpAndAreBounded) {
    std::vector<proxy::WorkerSnapshot> loops(2);
    for (proxy::WorkerSnapshot& loop : loops) {
        for (int i = 0; i < 2000; ++i) {
            proxy::PoolSnapshot pool;
            pool.database = "shop";
            pool.user = "u" + std::to_string(i);
            pool.size = 20;
            pool.servers.idle = 1;
            pool.stats.queries = 3;
            loop.pools.push_back(pool);
        }
    }
    const auto merged = merged_pools(loops);
    EXPECT_EQ(merged.size(), Limits::kPoolsMax);
    std::uint64_t queries = 0;
    int idle = 0;
    for (const proxy::PoolSnapshot& pool : merged) {
        queries += pool.stats.queries;
        idle += pool.servers.idle;
    }
    EXPECT_EQ(queries, 12'000U);
    EXPECT_EQ(idle, 4000);
}

TEST(Merge, AStatementOfTwoLoopsIsOne) {
    std::vector<proxy::StatementsSnapshot> loops(2);
    const auto shared_one = sql::analyze("select 1");
    for (std::size_t i = 0; i < 2; ++i) {
        proxy::FingerprintEntry entry;
        entry.statement = shared_one;
        entry.calls = i + 1;
        entry.server_us_max = 10 * (i + 1);
        entry.cache_us = 5;
        loops[i].entries.push_back(entry);
        loops[i].other.calls = 5;
    }
    proxy::FingerprintEntry other;
    const auto merged = merged_statements(loops, other);
    ASSERT_EQ(merged.size(), 1U);
    EXPECT_EQ(merged[0].calls, 3U);
    EXPECT_EQ(merged[0].server_us_max, 20U);
    EXPECT_EQ(merged[0].cache_us, 10U);
    EXPECT_EQ(other.calls, 10U);
}

// Two statements in turn among the slowest, and tables that make room: whatever happens, no series
// falls and all together are what was counted.
TEST(StatementSeries, NeverFallsAndLosesNothing) {
    std::vector<proxy::FingerprintEntry> all(3);
    const char* texts[] = {"select 1", "select 2 + 2", "select now()"};
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].statement = sql::analyze(texts[i]);
    }
    proxy::FingerprintEntry other;
    StatementSeries series;
    std::map<std::string, std::uint64_t> last;
    std::uint64_t counted = 0;
    const auto run = [&](std::size_t which, std::uint64_t calls, std::uint64_t us) {
        all[which].calls += calls;
        all[which].server_us += us;
        counted += calls;
    };
    const auto look = [&] {
        const auto samples = series.look(all, other, 1);
        EXPECT_EQ(samples.size(), 2U);
        EXPECT_EQ(samples.back().fingerprint, "(other)");
        for (const StatementSample& sample : samples) {
            EXPECT_GE(sample.counters.calls, last[sample.fingerprint]) << sample.fingerprint;
            last[sample.fingerprint] = sample.counters.calls;
        }
        std::uint64_t sum = 0;
        for (const auto& [fingerprint, calls] : last) {
            sum += calls;
        }
        EXPECT_EQ(sum, counted);
        return samples.front().fingerprint;
    };
    run(0, 10, 1000);
    run(1, 5, 10);
    const std::string first = look();
    EXPECT_EQ(last[first], 10U);
    run(1, 5, 5000);
    const std::string second = look();
    EXPECT_NE(second, first);
    EXPECT_EQ(last["(other)"], 10U) << "what it did before it was shown stays where it was";
    run(0, 3, 9000);
    run(1, 1, 1);
    EXPECT_EQ(look(), first);
    run(0, 4, 10);
    EXPECT_EQ(look(), first);
    EXPECT_EQ(last[first], 14U);
    // A loop makes room: what the statement had counted goes to the others.
    other.calls += all[0].calls;
    all[0].calls = all[0].server_us = 0;
    EXPECT_EQ(look(), second);
    run(0, 2, 90'000);
    EXPECT_EQ(look(), first);
    run(2, 7, 1'000'000);
    look();
    EXPECT_EQ(last.size(), 4U);
}

TEST(StatementSeries, AnOlderAnswerThatComesLateChangesNothing) {
    std::vector<proxy::FingerprintEntry> all(1);
    all[0].statement = sql::analyze("select 1");
    all[0].calls = 10;
    StatementSeries series;
    proxy::FingerprintEntry other;
    other.calls = 7;
    const auto now = series.look(all, other, 1);
    all[0].calls = 9;
    other.calls = 5;
    const auto late = series.look(all, other, 1);
    EXPECT_EQ(late[0].counters.calls, now[0].counters.calls);
    EXPECT_EQ(late[1].counters.calls, now[1].counters.calls);
}

TEST(Collect, FillsEveryMetricOfTheCatalogue) {
    const config::ConfigPtr config = std::make_shared<config::Config>([] {
        config::Config made;
        config::DatabaseSettings shop;
        shop.name = "shop";
        made.databases.emplace("shop", shop);
        made.settings.metrics_top_queries = 1;
        return made;
    }());
    proxy::Shared shared(config);
    EventTotals totals;
    const QueryEvent one = event(shared.names.intern("shop"), 300, "23505");
    totals.observe({&one, 1});
    Inputs inputs{config.get(), &shared,         &totals,         "epoll",
                  {},           process_usage(), {{"/", 200, 1}}, {{"(other)", {}}}};
    inputs.loops.resize(1);
    proxy::PoolSnapshot pool;
    pool.database = "shop";
    pool.user = "app";
    inputs.loops[0].pools.push_back(pool);
    const auto families = collect(inputs);
    EXPECT_EQ(families.size(), catalogue().size());
    for (const Family& family : families) {
        EXPECT_FALSE(family.samples.empty()) << family.spec->name;
        const std::string_view names = family.spec->labels;
        const auto labels = names.empty() ? 0 : 1 + std::count(names.begin(), names.end(), ',');
        for (const Sample& sample : family.samples) {
            EXPECT_EQ(std::ssize(sample.labels), labels) << family.spec->name;
        }
    }
    EXPECT_GT(inputs.process.resident_bytes, 0U);
    EXPECT_GT(inputs.process.start_seconds, 1e9);
    EXPECT_GT(inputs.process.open_fds, 2U);
}

}  // namespace
}  // namespace howdah::monitor
