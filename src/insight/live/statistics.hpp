// Statistics: what each statement (by sql::Statement::key()) has cost, and who sent it.
//
// 1. Bounded: entries_max statements of about 3 KiB; when there is no room, the eighth that was
//    used least since the last time goes into other(), so that sums stay right.
// 2. No value is kept: of parameters only their class and width (base/tap.hpp).
// 3. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/query_event.hpp"
#include "base/tap.hpp"
#include "insight/live/sparse_histogram.hpp"
#include "sql/statement.hpp"

namespace howdah::insight::live {

// How often a statement came from each of a few callers; the rest in one sum. Where there is no
// room, the caller with the fewest calls goes into that sum, each in its turn where several have
// as few: who sends much comes to be named.
class Breakdown {
  public:
    static constexpr std::size_t kMax = 8;
    struct Part {
        std::uint64_t id = 0;
        std::uint64_t calls = 0;
        std::uint64_t us = 0;
    };
    void add(std::uint64_t id, std::uint64_t us, std::uint64_t calls = 1);
    void merge(const Breakdown& other);
    [[nodiscard]] std::span<const Part> parts() const { return {parts_.data(), used_}; }
    [[nodiscard]] const Part& other() const { return other_; }
    [[nodiscard]] bool contains(std::uint64_t id) const;

  private:
    std::array<Part, kMax> parts_{};
    std::size_t used_ = 0;
    std::size_t turn_ = 0;
    Part other_;
};

// What one call's parameters looked like: a class and a width each.
struct BindSample {
    std::uint64_t classes = 0;
    std::uint8_t binds = 0;
};

struct StatementStats {
    static constexpr std::size_t kSamples = 8;
    static constexpr std::size_t kSqlstatesMax = 8;
    static constexpr std::size_t kRecent = 16;
    static constexpr std::size_t kTextBits = 512;

    sql::StatementRef statement;  // null until its text has been asked for
    std::uint64_t key = 0;
    std::uint64_t calls = 0, errors = 0, rows = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t queue_us = 0, server_us = 0, network_us = 0, cache_us = 0;
    std::uint64_t server_us_max = 0, rows_max = 0;
    std::uint64_t in_transaction = 0;  // calls
    std::uint64_t repeated = 0;        // calls with the parameters of one of the last few
    std::uint64_t simple = 0;          // calls by the simple protocol, literals inside
    std::uint64_t changes = 0;         // rows written
    std::int64_t first_us = 0, last_us = 0;
    std::uint32_t effects = 0;
    std::uint8_t kind = 0;
    SparseHistogram queue, server, network, cache;
    std::vector<std::pair<std::array<char, 5>, std::uint64_t>> sqlstates;
    Breakdown databases, users, applications, clients, tags;
    std::array<BindSample, kSamples> samples{};
    std::array<std::uint8_t, TapRecord::kBindsMax> widest{};  // of integers, in bits, by slot
    std::uint64_t recent_calls = 0;                           // since room was last made

    void add(const QueryEvent& event, const TapRecord* tap, bool in_block);
    void merge(const StatementStats& other);
    // Estimate, at most about 3,000.
    [[nodiscard]] std::uint64_t distinct_texts() const;

  private:
    void note_error(const std::array<char, 5>& sqlstate, std::uint64_t count);
    void note_parameters(std::uint64_t parameters);
    void take_sample(const TapRecord& tap);

    std::array<std::uint64_t, kTextBits / 64> texts_{};  // linear counting
    std::array<std::uint64_t, kRecent> recent_{};
    std::size_t next_recent_ = 0;
};

class Statistics {
  public:
    explicit Statistics(std::size_t entries_max) : entries_max_(entries_max) {}
    // `in_transaction`: of a block, as Transactions has it.
    void add(const QueryEvent& event, const TapRecord* tap, bool in_transaction);
    [[nodiscard]] const std::unordered_map<std::uint64_t, StatementStats>& all() const {
        return entries_;
    }
    [[nodiscard]] const StatementStats& other() const { return other_; }
    [[nodiscard]] const StatementStats* find(std::uint64_t key) const;
    // Statements whose text is not known yet; at most `max`.
    [[nodiscard]] std::vector<std::uint64_t> unknown(std::size_t max) const;
    void learn(std::uint64_t key, sql::StatementRef statement);
    [[nodiscard]] std::uint64_t evicted() const { return evicted_; }
    [[nodiscard]] std::uint64_t seen() const { return seen_; }  // different ones, ever

  private:
    void make_room();
    std::size_t entries_max_;
    std::unordered_map<std::uint64_t, StatementStats> entries_;
    StatementStats other_;
    std::uint64_t evicted_ = 0;
    std::uint64_t seen_ = 0;
};

}  // namespace howdah::insight::live
