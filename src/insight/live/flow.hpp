// Flow: finds in one window what a loop in the application looks like on the wire.
//
//     kNPlusOne    a statement runs again and again with values out of an earlier result
//     kWriteLoop   the same for INSERT, UPDATE, DELETE: one statement could take all rows
//     kDuplicate   the same statement with the same values
//     kSequential  reads one after the other of which none needs the other's result
//
// For kNPlusOne the values decide, not the repetition: each parameter that changes is looked up in
// the results that had come before.
//
//     coverage   share of the run whose value is in the parent's column            wanted >= 0.8
//     use        share of the parent's different values that were used             wanted >= 0.5
//                (or they are the first ones: the loop ended early)
//     order      longest run of rising row positions / length: loops walk a        wanted >= 0.8
//                result in its order, coincidences among small numbers do not
//
//     confirmed: all three;  likely: coverage and use;  suspected: repetition alone, in a window
//     that surely is one request, when it costs 50 ms or a fifth of the window
//
// 1. Pure but for its scratch memory, which is used again. One thread at a time.
// 2. Not looked at: windows with DDL, failed statements, cursors, statements that lock rows (queue
//    workers), parents of a single row unless they are a run themselves (a chain).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "insight/live/window.hpp"

namespace howdah::insight::live {

enum class PatternKind : std::uint8_t { kNPlusOne, kWriteLoop, kDuplicate, kSequential };
enum class Confidence : std::uint8_t { kSuspected, kLikely, kConfirmed };

// One pattern as one window shows it.
struct Pattern {
    PatternKind kind = PatternKind::kNPlusOne;
    Confidence confidence = Confidence::kSuspected;
    std::uint64_t parent = 0;  // statement key; 0: none known
    std::uint64_t child = 0;
    std::uint8_t column = 0;               // of the parent's result
    std::uint8_t slot = 0;                 // of the child's parameters
    std::uint8_t depth = 1;                // levels of the chain
    std::array<std::uint64_t, 3> chain{};  // statements of deeper levels
    bool parallel = false;                 // executions overlap
    std::uint32_t rounds = 0;
    std::int64_t lost_us = 0;  // against one batch
    std::uint64_t tags_id = 0;
    std::uint64_t values_hash = 0;  // of the values that flowed: tells two windows apart
    std::uint32_t database = 0, user = 0, application = 0, client = 0;
};

class Flow {
  public:
    static constexpr std::size_t kRunMin = 5;     // executions that make a loop
    static constexpr std::size_t kRepeatMin = 3;  // of one statement with the same values
    static constexpr std::size_t kDepthMax = 4;

    // What `window` shows; valid until the next call.
    std::span<const Pattern> analyze(const Window& window);

  private:
    struct Run {
        std::uint64_t key = 0;
        std::vector<std::uint32_t> executions;  // indexes, in order
        bool may_loop = false;                  // reads, with kRunMin different parameters
        bool resolved = false;
        bool paging = false;  // feeds itself, row by row
        Confidence confidence = Confidence::kSuspected;
        std::uint64_t parent = 0;
        std::uint8_t column = 0, slot = 0, depth = 1;
        std::uint32_t first = 0, last = 0, rounds = 0;  // of those that are part of the loop
        std::uint64_t values_hash = 0;
    };
    struct Cell {
        std::uint64_t hash;
        std::uint32_t execution;
        std::uint16_t row;
        std::uint8_t column;
    };
    struct Source {  // a column that may feed a slot
        std::uint64_t parent;
        std::uint8_t column;
        std::uint32_t found;
    };
    struct Instance {  // one result of the parent, or all of them in a row
        std::uint32_t execution = 0;
        std::int64_t last = -1;
        std::vector<std::uint32_t> positions;  // in the order of the children
        std::vector<bool> used;
    };
    struct Verdict {
        bool holds = false;
        bool one_each = false;  // every result feeds one execution only: no loop over a result
        Confidence confidence = Confidence::kSuspected;
        double score = 0;
        std::uint32_t first = 0, last = 0, rounds = 0;
        std::uint64_t values_hash = 0;
    };
    struct Question {
        const Run* run;
        std::uint8_t slot;
        Source source;
        bool joined;  // all results of the parent count as one
    };

    void find_runs();
    bool note_wanted();
    void index_cells();
    bool varies(const Run& run, std::uint8_t slot) const;
    void find_sources(const Run& run, std::uint8_t slot);
    void resolve(Run& run, bool joined);
    Verdict judge(const Question& question);
    bool assign(const Question& question, std::uint32_t child);
    Verdict weigh(const Question& question, std::size_t assigned);
    Instance& instance_of(const Question& question, std::uint32_t execution);
    std::size_t distinct_values(const Question& question, const Instance& instance,
                                std::size_t& highest_rank);
    std::uint64_t cell(std::uint32_t execution, std::size_t row, std::uint8_t column) const;
    std::int64_t position(const Question& question, const Cell& at) const;
    Run* run_of(std::uint64_t key);
    void join_parents(const Question& question);
    bool is_request() const;
    bool one_session(const Run& run) const;
    void suspect(Run& run);
    void emit_chains();
    void emit_write_loops();
    void emit_duplicates(const Run& run);
    void emit_sequential();
    std::size_t distinct_parameters(const Run& run);
    Pattern pattern_of(PatternKind kind, const Run& run) const;
    void measure(Pattern& pattern, const Run& run) const;

    const Window* window_ = nullptr;
    bool locks_rows_ = false;
    std::vector<Run> runs_;
    std::size_t runs_used_ = 0;
    // A bit for each value that a run has in a parameter that changes, by its hash's end. Other
    // cells need no index: there are a hundred of them for each that does.
    static constexpr std::size_t kWantedBits = 1U << 16U;
    std::vector<bool> wanted_ = std::vector<bool>(kWantedBits);
    std::vector<Cell> cells_;  // the wanted ones, sorted
    std::vector<Source> sources_;
    std::deque<Instance> instances_;  // one stays where it is while others come
    std::size_t instances_used_ = 0;
    std::vector<std::uint32_t> joined_rows_;  // by execution: rows of the parent before it
    std::vector<std::uint64_t> scratch_;
    std::vector<std::uint32_t> tails_;
    std::vector<Pattern> patterns_;
};

}  // namespace howdah::insight::live
