#include "tests/sim/workload.hpp"

#include "tests/sim/model_session.hpp"

namespace howdah::sim {

using Kind = Statement::Kind;

std::string Workload::token() {
    return "c" + std::to_string(client_) + "-" + std::to_string(++tokens_);
}

std::string Workload::draw_name() {
    return "s" + std::to_string(prng_.below(4));
}

std::string Workload::draw_parameter() {
    static const char* const kNames[] = {"application_name", "TimeZone", "search_path",
                                         "statement_timeout"};
    return kNames[prng_.below(4)];
}

Statement Workload::draw_query() {
    switch (prng_.below(view_ ? 9 : 8)) {
        case 8:
            return {.kind = Kind::kView, .value = token()};
        case 0:
            return {.kind = Kind::kRows, .count = static_cast<int>(prng_.below(60))};
        case 1:
            return {.kind = Kind::kFail};
        case 2:
            return {.kind = Kind::kSet, .name = draw_parameter(), .value = token()};
        case 3:
        case 4:
            return {.kind = Kind::kShow, .name = draw_parameter()};
        default:
            return {.kind = Kind::kToken, .value = token()};
    }
}

// One that stands alone in its message.
Statement Workload::draw_simple() {
    if (oracle_.status() != 'I') {
        const std::uint64_t drawn = prng_.below(oracle_.status() == 'E' ? 3 : 8);
        if (drawn < 2) {
            return {.kind = drawn == 0 ? Kind::kCommit : Kind::kRollback};
        }
        return draw_query();
    }
    switch (prng_.below(14)) {
        case 0:
        case 1:
        case 2:
            return {.kind = Kind::kBegin};
        case 3:
            return {.kind = Kind::kReset, .name = draw_parameter()};
        case 4:
            return {.kind = Kind::kDiscardAll};
        case 5:
            return {.kind = Kind::kPrepare, .name = draw_name(), .value = token()};
        case 6:
            return {.kind = Kind::kExecute, .name = draw_name()};
        case 7:
            return {.kind = Kind::kDeallocate, .name = draw_name()};
        case 8:
            return {.kind = Kind::kCopyOut};
        case 9:
            return {.kind = Kind::kRows, .count = static_cast<int>(prng_.below(3000))};
        default:
            return draw_query();
    }
}

void Workload::simple(const std::vector<Statement>& statements, Batch& batch) {
    std::string sql;
    for (const Statement& statement : statements) {
        sql += (sql.empty() ? "" : "; ") + statement.sql();
    }
    batch.bytes += Message('Q').text(sql).take();
    oracle_.simple(statements, batch.answers);
}

void Workload::one_extended(Batch& batch) {
    const bool named = prng_.chance(0.6);
    const std::string name = named ? draw_name() : "";
    // Now and then a name is taken already, or nobody knows it.
    const bool parse = !oracle_.knows(name) ? prng_.chance(0.9) : prng_.chance(named ? 0.05 : 0.7);
    if (parse) {
        const Statement statement =
            prng_.chance(0.5) ? Statement{.kind = Kind::kParameter} : draw_query();
        batch.bytes += Message('P').text(name).text(statement.sql()).int16(0).take();
        oracle_.parse(name, statement, batch.answers);
    }
    if (prng_.chance(0.2)) {
        batch.bytes += Message('D').raw("S").text(name).take();
        oracle_.describe_statement(name, batch.answers);
    }
    const std::string value = token();
    batch.bytes +=
        Message('B').text("").text(name).int16(0).int16(1).counted(value).int16(0).take();
    oracle_.bind(name, value, batch.answers);
    if (prng_.chance(0.5)) {
        batch.bytes += Message('D').raw("P").text("").take();
        oracle_.describe(batch.answers);
    }
    batch.bytes += Message('E').text("").int32(0).take();
    oracle_.execute(batch.answers);
    if (prng_.chance(0.1)) {
        batch.bytes += Message('C').raw("S").text(name).take();
        oracle_.close(name, batch.answers);
    }
}

void Workload::extended(Batch& batch) {
    // In a failed transaction a statement that this server does not have cannot be made: the client
    // hears 25P02 where PostgreSQL may have found another fault. Nothing to be held against.
    for (std::uint64_t syncs = prng_.between(1, 3); syncs > 0 && oracle_.status() != 'E'; --syncs) {
        for (std::uint64_t count = prng_.between(1, 4); count > 0; --count) {
            one_extended(batch);
        }
        batch.bytes += Message('S').take();
        oracle_.sync(batch.answers);
    }
}

Batch Workload::next(bool cautious) {
    Batch batch;
    if_cancelled_ = oracle_;
    const std::uint64_t drawn = prng_.below(20);
    if (cautious || drawn == 0) {
        batch.wants_cancel = !cautious;
        const Statement sleep = {.kind = Kind::kSleep,
                                 .count = static_cast<int>(prng_.between(1, 30))};
        const bool end = cautious && oracle_.status() != 'I';
        simple({end ? Statement{.kind = Kind::kRollback} : sleep}, batch);
        if_cancelled_.cancelled(batch.when_cancelled);
    } else if (drawn < 9 && oracle_.status() != 'E') {
        extended(batch);
    } else if (drawn < 12) {
        std::vector<Statement> several;
        for (std::uint64_t count = prng_.below(4); count > 0; --count) {
            several.push_back(draw_query());
        }
        simple(several, batch);
    } else {
        simple({draw_simple()}, batch);
    }
    return batch;
}

}  // namespace howdah::sim
