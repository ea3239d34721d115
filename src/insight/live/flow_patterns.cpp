// What a window's runs amount to.

#include <algorithm>

#include "insight/live/flow.hpp"
#include "sql/statement.hpp"

namespace howdah::insight::live {
namespace {

// What a batch costs beside its one round trip: a share of what the single statements cost.
constexpr int kBatchShare = 4;
constexpr std::int64_t kSuspectUs = 50'000;
constexpr std::int64_t kWindowShare = 5;
// How long a loop in one session may think between two statements.
constexpr std::int64_t kThinkUs = 20'000;
constexpr std::size_t kSameRequest = 3;
constexpr std::size_t kSameBurst = 5;
// What running reads side by side must save (as Sentry has it).
constexpr std::int64_t kSequentialEachUs = 30'000;
constexpr std::int64_t kSequentialSavedUs = 100'000;
constexpr std::int64_t kSequentialShare = 10;

bool is_select(const Execution& execution) {
    return execution.kind == static_cast<std::uint8_t>(sql::StatementKind::kSelect);
}

bool is_write(const Execution& execution) {
    const auto kind = static_cast<sql::StatementKind>(execution.kind);
    return kind == sql::StatementKind::kInsert || kind == sql::StatementKind::kUpdate ||
           kind == sql::StatementKind::kDelete;
}

}  // namespace

// Whether the window surely is one request, so that repetition means something.
bool Flow::is_request() const {
    return window_->kind != WindowKind::kGroup;
}

// Whether the run is the work of one client, without pause.
bool Flow::one_session(const Run& run) const {
    std::int64_t last_end = window_->executions[run.executions.front()].begin_us;
    for (const std::uint32_t i : run.executions) {
        const Execution& execution = window_->executions[i];
        if (execution.session != window_->executions[run.executions.front()].session ||
            execution.begin_us - last_end > kThinkUs) {
            return false;
        }
        last_end = std::max(last_end, execution.end_us);
    }
    return true;
}

Pattern Flow::pattern_of(PatternKind kind, const Run& run) const {
    const Execution& first = window_->executions[run.first];
    Pattern pattern;
    pattern.kind = kind;
    pattern.confidence = run.confidence;
    pattern.parent = run.parent;
    pattern.child = run.key;
    pattern.column = run.column;
    pattern.slot = run.slot;
    pattern.depth = run.depth;
    pattern.rounds = run.rounds;
    pattern.tags_id = first.tags_id;
    pattern.values_hash = run.values_hash;
    pattern.database = first.database;
    pattern.user = first.user;
    pattern.application = first.application;
    pattern.client = first.client;
    measure(pattern, run);
    return pattern;
}

// The time from the loop's first statement to its last, less what one batch would take.
void Flow::measure(Pattern& pattern, const Run& run) const {
    std::int64_t begin = INT64_MAX;
    std::int64_t end = 0;
    std::int64_t longest = 0;
    std::int64_t server = 0;
    for (const std::uint32_t i : run.executions) {
        if (i < run.first || i > run.last) {
            continue;
        }
        const Execution& execution = window_->executions[i];
        pattern.parallel = pattern.parallel || (end != 0 && execution.begin_us < end);
        begin = std::min(begin, execution.begin_us);
        end = std::max(end, execution.end_us);
        longest = std::max(longest, execution.end_us - execution.begin_us);
        server += execution.server_us;
    }
    pattern.lost_us = std::max<std::int64_t>(0, end - begin - longest - server / kBatchShare);
}

// Repetition without a source: worth a word only where it surely is one request, and costs.
void Flow::suspect(Run& run) {
    const Execution& example = window_->executions[run.executions.front()];
    const bool burst = window_->burst && one_session(run);
    if (run.resolved || run.paging || locks_rows_ || !is_select(example) ||
        !(is_request() || burst) || distinct_parameters(run) < kRunMin) {
        return;
    }
    // With values seen on both sides and no flow between them, they come from elsewhere: a list in
    // the request, an import. That is a loop all the same, so it is said, but as a suspicion.
    run.first = run.executions.front();
    run.last = run.executions.back();
    run.rounds = static_cast<std::uint32_t>(run.executions.size());
    Pattern pattern = pattern_of(PatternKind::kNPlusOne, run);
    const std::int64_t window_us = window_->end_us - window_->begin_us;
    std::int64_t spent = 0;
    for (const std::uint32_t i : run.executions) {
        spent += window_->executions[i].end_us - window_->executions[i].begin_us;
    }
    // Pages of one list: many rows each, and each as many as the last.
    const bool pages = std::ranges::all_of(run.executions, [&](std::uint32_t i) {
        return window_->executions[i].rows >= 10 &&
               window_->executions[i].rows == window_->executions[run.executions.front()].rows;
    });
    if (!pages && (spent >= kSuspectUs || spent * kWindowShare >= window_us)) {
        pattern.confidence = Confidence::kSuspected;
        patterns_.push_back(pattern);
    }
}

// Each loop over a first-level result is one pattern, with the levels below it folded in.
void Flow::emit_chains() {
    const auto root_of = [&](const Run* run) {
        std::size_t depth = 1;
        while (depth < kDepthMax) {
            Run* parent = run_of(run->parent);
            if (parent == nullptr || !parent->resolved || parent == run) {
                break;
            }
            run = parent;
            ++depth;
        }
        return std::pair(run, depth);
    };
    const std::size_t before = patterns_.size();
    for (std::size_t i = 0; i < runs_used_; ++i) {
        if (runs_[i].resolved && root_of(&runs_[i]).second == 1) {
            patterns_.push_back(pattern_of(PatternKind::kNPlusOne, runs_[i]));
        }
    }
    for (std::size_t i = 0; i < runs_used_; ++i) {
        if (!runs_[i].resolved) {
            continue;
        }
        const auto [root, depth] = root_of(&runs_[i]);
        for (std::size_t at = before; at < patterns_.size() && depth > 1; ++at) {
            Pattern& pattern = patterns_[at];
            if (pattern.child != root->key) {
                continue;
            }
            pattern.depth = std::max(pattern.depth, static_cast<std::uint8_t>(depth));
            pattern.rounds += runs_[i].rounds;
            pattern.lost_us += pattern_of(PatternKind::kNPlusOne, runs_[i]).lost_us;
            const auto free = std::ranges::find(pattern.chain, 0U);
            if (free != pattern.chain.end()) {
                *free = runs_[i].key;
            }
        }
    }
}

void Flow::emit_write_loops() {
    if (locks_rows_) {
        return;  // a queue worker: each job is done when it is done
    }
    for (std::size_t i = 0; i < runs_used_; ++i) {
        Run& run = runs_[i];
        const bool burst = window_->burst && one_session(run);
        if (!is_write(window_->executions[run.executions.front()]) || !(is_request() || burst) ||
            distinct_parameters(run) < kRunMin) {
            continue;
        }
        run.first = run.executions.front();
        run.last = run.executions.back();
        run.rounds = static_cast<std::uint32_t>(run.executions.size());
        Pattern pattern = pattern_of(PatternKind::kWriteLoop, run);
        pattern.confidence = is_request() ? Confidence::kConfirmed : Confidence::kLikely;
        patterns_.push_back(pattern);
    }
}

// The same statement with the same values, and nothing written in between.
void Flow::emit_duplicates(const Run& run) {
    const Execution& example = window_->executions[run.executions.front()];
    const bool burst = window_->burst && one_session(run);
    if (!is_select(example) || (example.effects & (sql::kRowLock | sql::kVolatile)) != 0 ||
        !(is_request() || burst)) {
        return;
    }
    scratch_.clear();
    for (const std::uint32_t i : run.executions) {
        scratch_.push_back(window_->executions[i].parameters);
    }
    std::ranges::sort(scratch_);
    std::uint32_t most = 0;
    std::uint32_t here = 0;
    for (std::size_t i = 0; i < scratch_.size(); ++i) {
        here = i > 0 && scratch_[i] == scratch_[i - 1] ? here + 1 : 1;
        most = std::max(most, here);
    }
    const bool wrote = std::ranges::any_of(window_->executions, [](const Execution& execution) {
        return (execution.effects & sql::kWrite) != 0;
    });
    if (wrote || most < (is_request() ? kSameRequest : kSameBurst)) {
        return;
    }
    Run whole;
    whole.key = run.key;
    whole.executions = run.executions;
    whole.first = run.executions.front();
    whole.last = run.executions.back();
    whole.rounds = most;
    Pattern pattern = pattern_of(PatternKind::kDuplicate, whole);
    pattern.confidence = is_request() ? Confidence::kConfirmed : Confidence::kLikely;
    pattern.lost_us = static_cast<std::int64_t>(example.server_us) * (most - 1);
    patterns_.push_back(pattern);
}

// Reads one after the other, each slow, none with a value out of the others' results.
void Flow::emit_sequential() {
    if (window_->kind == WindowKind::kTransaction ||
        (window_->kind == WindowKind::kGroup && !window_->burst)) {
        return;
    }
    const auto& executions = window_->executions;
    std::vector<std::uint32_t> chain;
    std::int64_t sum = 0;
    std::int64_t longest = 0;
    std::int64_t last_end = 0;
    for (std::size_t i = 0; i < executions.size(); ++i) {
        const Execution& execution = executions[i];
        const std::int64_t took = execution.end_us - execution.begin_us;
        if ((execution.effects & sql::kWrite) != 0) {
            return;
        }
        if (!is_select(execution) || execution.error || took < kSequentialEachUs ||
            execution.begin_us < last_end) {
            continue;
        }
        const bool fed = std::ranges::any_of(chain, [&](std::uint32_t earlier) {
            const auto cells = window_->cells(executions[earlier]);
            return executions[earlier].key == execution.key ||
                   std::ranges::any_of(window_->binds(execution), [&](std::uint64_t bind) {
                       return bind != 0 && std::ranges::find(cells, bind) != cells.end();
                   });
        });
        if (fed) {
            continue;
        }
        chain.push_back(static_cast<std::uint32_t>(i));
        sum += took;
        longest = std::max(longest, took);
        last_end = execution.end_us;
    }
    const std::int64_t saved = sum - longest;
    if (chain.size() < 2 || saved < kSequentialSavedUs ||
        saved * kSequentialShare < window_->end_us - window_->begin_us) {
        return;
    }
    Run run;
    run.key = executions[chain[1]].key;
    run.parent = executions[chain[0]].key;
    run.first = chain.front();
    run.last = chain.back();
    run.rounds = static_cast<std::uint32_t>(chain.size());
    Pattern pattern = pattern_of(PatternKind::kSequential, run);
    pattern.confidence = is_request() ? Confidence::kConfirmed : Confidence::kLikely;
    pattern.lost_us = saved;
    for (std::size_t i = 2; i < chain.size() && i < 2 + pattern.chain.size(); ++i) {
        pattern.chain[i - 2] = executions[chain[i]].key;
    }
    patterns_.push_back(pattern);
}

}  // namespace howdah::insight::live
