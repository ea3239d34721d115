// What counting one statement costs on the query path: the sums by fingerprint, the event, the
// ring.
#include <benchmark/benchmark.h>

#include "proxy/recorder.hpp"
#include "proxy/salted_hash.hpp"
#include "proxy/tag_table.hpp"
#include "sql/statement_cache.hpp"

namespace howdah::proxy {
namespace {

class StillLoop final : public net::Loop {
  public:
    std::string_view backend_name() const override { return "bench"; }
    std::unique_ptr<net::Stream> adopt(int, net::PeerInfo) override { return nullptr; }
    net::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Address, net::TimePoint) override {
        co_return fail(ErrorCode::kUnavailable, "no network here");
    }
    void start_accept(int, net::AcceptHandler) override {}
    void stop_accept(int) override {}

  protected:
    void wait_and_dispatch(net::TimePoint) override {}
    void wake() override {}
};

class NoTransport final : public net::Transport {
  public:
    using Transport::Transport;
    void start_receive() override {}
    void stop_receive() override {}
    void send_queued() override {}
    void release() override { delete this; }
    void abort() override { delete this; }
};

std::vector<sql::StatementRef> statements(std::int64_t count) {
    std::vector<sql::StatementRef> made;
    for (std::int64_t i = 0; i < count; ++i) {
        made.push_back(sql::analyze("select c" + std::to_string(i) + " from t where id = $1"));
    }
    return made;
}

// Everything that record_query() does but for reading the session's own fields: the wall clock, the
// sums, the event, settling at the turn's end, the ring. The other side drains as the pump does.
void count_one_statement(benchmark::State& state) {
    StillLoop loop;
    net::Stream client(loop, new NoTransport(loop), {});
    const auto shapes = statements(state.range(0));
    FingerprintStats fingerprints(8192);
    SpscRing<QueryEvent> ring(65536);
    Recorder recorder(fingerprints, ring);
    QueryEvent event;
    QueryEvent drained;
    std::size_t at = 0;
    for (auto _ : state) {
        const sql::Statement& statement = *shapes[at];
        at = at + 1 == shapes.size() ? 0 : at + 1;
        event.fingerprint = statement.fingerprint;
        event.started_us = loop.wall_us();
        recorder.record(event, &statement, client);
        recorder.settle(loop.now());
        benchmark::DoNotOptimize(ring.pop(drained));
    }
    state.counters["dropped"] = static_cast<double>(ring.dropped());
}
BENCHMARK(count_one_statement)->Arg(1)->Arg(100)->Arg(5000);

// The same where nobody drains: the ring is full, the event is dropped and counted.
void count_into_a_full_ring(benchmark::State& state) {
    StillLoop loop;
    net::Stream client(loop, new NoTransport(loop), {});
    const auto shapes = statements(100);
    FingerprintStats fingerprints(8192);
    SpscRing<QueryEvent> ring(1024);
    Recorder recorder(fingerprints, ring);
    QueryEvent event;
    std::size_t at = 0;
    for (auto _ : state) {
        const sql::Statement& statement = *shapes[at];
        at = at + 1 == shapes.size() ? 0 : at + 1;
        event.fingerprint = statement.fingerprint;
        recorder.record(event, &statement, client);
        recorder.settle(loop.now());
    }
    benchmark::DoNotOptimize(ring.dropped());
}
BENCHMARK(count_into_a_full_ring);

void hash_parameters(benchmark::State& state) {
    const std::string values(static_cast<std::size_t>(state.range(0)), 'v');
    for (auto _ : state) {
        benchmark::DoNotOptimize(salted_hash(values, 42));
    }
}
BENCHMARK(hash_parameters)->Arg(20)->Arg(1000);

// Only texts with a comment at an end pay this, and prepared ones once.
void intern_tags(benchmark::State& state) {
    TagTable tags(42);
    const std::string_view text =
        "select 1 /*action='show',controller='users',route='%2Fusers%2F%3Aid'*/";
    for (auto _ : state) {
        benchmark::DoNotOptimize(tags.intern(text));
    }
}
BENCHMARK(intern_tags);

}  // namespace
}  // namespace howdah::proxy
