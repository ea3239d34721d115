#include "insight/live/flow.hpp"

#include <algorithm>

#include "sql/statement.hpp"

namespace howdah::insight::live {
namespace {

// How many earlier cells with a child's value are looked at, latest first.
constexpr std::size_t kLookBack = 64;
// How many columns are judged for a slot, by how many of the child's values they hold.
constexpr std::size_t kSourcesJudged = 3;
constexpr std::size_t kSourcesMax = 64;
constexpr double kCoverage = 0.8;
constexpr double kUse = 0.5;
constexpr double kOrder = 0.8;

bool is_select(const Execution& execution) {
    return execution.kind == static_cast<std::uint8_t>(sql::StatementKind::kSelect);
}

// The length of the longest run of positions, not necessarily neighbours, that never falls.
std::size_t longest_rise(std::span<const std::uint32_t> positions,
                         std::vector<std::uint32_t>& tails) {
    tails.clear();
    for (const std::uint32_t position : positions) {
        const auto at = std::ranges::upper_bound(tails, position);
        if (at == tails.end()) {
            tails.push_back(position);
        } else {
            *at = position;
        }
    }
    return tails.size();
}

}  // namespace

std::span<const Pattern> Flow::analyze(const Window& window) {
    window_ = &window;
    patterns_.clear();
    runs_used_ = 0;
    locks_rows_ = false;
    for (const Execution& execution : window.executions) {
        if ((execution.effects & sql::kDdl) != 0) {
            return {};  // a migration
        }
        locks_rows_ = locks_rows_ || (execution.effects & sql::kRowLock) != 0;
    }
    if (window.executions.size() > 1) {
        emit_sequential();
    }
    find_runs();
    if (runs_used_ == 0) {
        return patterns_;
    }
    bool found = note_wanted();
    if (found) {
        index_cells();
    }
    // A deeper level hangs on loops found in the one above.
    for (std::size_t level = 0; level < kDepthMax && found; ++level) {
        found = false;
        for (std::size_t i = 0; i < runs_used_; ++i) {
            Run& run = runs_[i];
            if (!run.resolved && run.may_loop) {
                resolve(run, level > 0);
                found = found || run.resolved;
            }
        }
    }
    for (std::size_t i = 0; i < runs_used_; ++i) {
        emit_duplicates(runs_[i]);
        suspect(runs_[i]);
    }
    emit_chains();
    emit_write_loops();
    return patterns_;
}

// Statements of one key that came kRepeatMin times or more.
void Flow::find_runs() {
    const auto& executions = window_->executions;
    scratch_.clear();
    for (const Execution& execution : executions) {
        scratch_.push_back(execution.key);
    }
    std::ranges::sort(scratch_);
    for (std::size_t i = 0; i < scratch_.size();) {
        std::size_t end = i;
        while (end < scratch_.size() && scratch_[end] == scratch_[i]) {
            ++end;
        }
        if (end - i >= kRepeatMin && scratch_[i] != 0) {
            if (runs_used_ == runs_.size()) {
                runs_.emplace_back();
            }
            Run& run = runs_[runs_used_++];
            std::vector<std::uint32_t> kept = std::move(run.executions);
            kept.clear();
            run = Run();
            run.key = scratch_[i];
            run.executions = std::move(kept);
        }
        i = end;
    }
    for (std::size_t i = 0; i < executions.size(); ++i) {
        Run* run = executions[i].error ? nullptr : run_of(executions[i].key);
        if (run != nullptr) {
            run->executions.push_back(static_cast<std::uint32_t>(i));
        }
    }
    const auto end = runs_.begin() + static_cast<std::ptrdiff_t>(runs_used_);
    runs_used_ = static_cast<std::size_t>(
        std::partition(runs_.begin(), end,
                       [](const Run& run) { return run.executions.size() >= kRepeatMin; }) -
        runs_.begin());
}

Flow::Run* Flow::run_of(std::uint64_t key) {
    for (std::size_t i = 0; i < runs_used_; ++i) {
        if (runs_[i].key == key) {
            return &runs_[i];
        }
    }
    return nullptr;
}

std::uint64_t Flow::cell(std::uint32_t execution, std::size_t row, std::uint8_t column) const {
    const Execution& from = window_->executions[execution];
    return window_->words[from.words_at + from.binds + row * from.columns + column];
}

// False: nothing here may be a loop over a result.
bool Flow::note_wanted() {
    bool any = false;
    for (std::size_t i = 0; i < runs_used_; ++i) {
        Run& run = runs_[i];
        const Execution& example = window_->executions[run.executions.front()];
        run.may_loop = is_select(example) && distinct_parameters(run) >= kRunMin;
        if (!run.may_loop) {
            continue;
        }
        if (!any) {
            wanted_.assign(kWantedBits, false);
            any = true;
        }
        for (std::uint8_t slot = 0; slot < example.binds; ++slot) {
            if (!varies(run, slot)) {
                continue;
            }
            for (const std::uint32_t child : run.executions) {
                const auto binds = window_->binds(window_->executions[child]);
                wanted_[(slot < binds.size() ? binds[slot] : 0) % kWantedBits] = true;
            }
        }
    }
    return any;
}

// Every value of every result that may feed a loop and that a run has, by value.
void Flow::index_cells() {
    cells_.clear();
    for (std::size_t i = 0; i < window_->executions.size(); ++i) {
        const Execution& execution = window_->executions[i];
        if (!is_select(execution) || (execution.effects & sql::kRowLock) != 0) {
            continue;
        }
        const auto cells = window_->cells(execution);
        for (std::size_t at = 0; at < cells.size(); ++at) {
            if (cells[at] != 0 && wanted_[cells[at] % kWantedBits]) {
                cells_.push_back({cells[at], static_cast<std::uint32_t>(i),
                                  static_cast<std::uint16_t>(at / execution.columns),
                                  static_cast<std::uint8_t>(at % execution.columns)});
            }
        }
    }
    std::ranges::sort(cells_, [](const Cell& a, const Cell& b) {
        return a.hash != b.hash
                   ? a.hash < b.hash
                   : (a.execution != b.execution ? a.execution < b.execution : a.row < b.row);
    });
}

bool Flow::varies(const Run& run, std::uint8_t slot) const {
    std::size_t changes = 0;
    std::uint64_t last = 0;
    for (const std::uint32_t i : run.executions) {
        const auto binds = window_->binds(window_->executions[i]);
        const std::uint64_t value = slot < binds.size() ? binds[slot] : 0;
        changes += value != 0 && value != last ? 1 : 0;
        last = value;
    }
    return changes >= kRunMin;
}

std::size_t Flow::distinct_parameters(const Run& run) {
    scratch_.clear();
    for (const std::uint32_t i : run.executions) {
        scratch_.push_back(window_->executions[i].parameters);
    }
    std::ranges::sort(scratch_);
    const auto rest = std::ranges::unique(scratch_);
    return scratch_.size() - rest.size();
}

// The columns that hold most of the values of one slot, best first.
void Flow::find_sources(const Run& run, std::uint8_t slot) {
    sources_.clear();
    for (const std::uint32_t child : run.executions) {
        const Execution& execution = window_->executions[child];
        const auto binds = window_->binds(execution);
        const std::uint64_t value = slot < binds.size() ? binds[slot] : 0;
        if (value == 0) {
            continue;
        }
        const auto same = std::ranges::equal_range(cells_, value, {}, &Cell::hash);
        std::size_t looked = 0;
        std::size_t counted_from = sources_.size();
        for (auto at = same.end(); at != same.begin() && looked < kLookBack;) {
            --at;
            const Execution& parent = window_->executions[at->execution];
            if (parent.end_us > execution.begin_us || at->execution == child) {
                continue;
            }
            ++looked;
            const auto known = std::ranges::find_if(sources_, [&](const Source& source) {
                return source.parent == parent.key && source.column == at->column;
            });
            if (known == sources_.end()) {
                if (sources_.size() < kSourcesMax) {
                    sources_.push_back({parent.key, at->column, 1});
                }
            } else if (known - sources_.begin() < static_cast<std::ptrdiff_t>(counted_from)) {
                ++known->found;  // once in a while twice for one child: only the order matters
            }
        }
    }
    std::ranges::sort(sources_, std::ranges::greater(), &Source::found);
}

void Flow::resolve(Run& run, bool joined) {
    const Execution& example = window_->executions[run.executions.front()];
    if ((example.effects & sql::kRowLock) != 0) {
        return;
    }
    double best = 0;
    for (std::uint8_t slot = 0; slot < example.binds; ++slot) {
        if (!varies(run, slot)) {
            continue;
        }
        find_sources(run, slot);
        const std::size_t judged = std::min(sources_.size(), kSourcesJudged);
        for (std::size_t i = 0; i < judged; ++i) {
            const Run* parent = run_of(sources_[i].parent);
            const bool chained = parent != nullptr && parent->resolved && parent != &run;
            if (joined && !chained) {
                continue;
            }
            const Verdict verdict = judge({&run, slot, sources_[i], joined});
            if (sources_[i].parent == run.key && verdict.one_each) {
                run.paging = true;  // each page begins where the last one ended
            }
            if (!verdict.holds || verdict.score <= best) {
                continue;
            }
            best = verdict.score;
            run.resolved = true;
            run.confidence = verdict.confidence;
            run.parent = sources_[i].parent;
            run.column = sources_[i].column;
            run.slot = slot;
            run.first = verdict.first;
            run.last = verdict.last;
            run.rounds = verdict.rounds;
            run.values_hash = verdict.values_hash;
        }
    }
    if (run.paging) {
        run.resolved = false;
    }
}

// The rows of all the parent's results, counted through.
void Flow::join_parents(const Question& question) {
    joined_rows_.assign(window_->executions.size(), 0);
    std::uint32_t rows = 0;
    for (std::size_t i = 0; i < window_->executions.size(); ++i) {
        joined_rows_[i] = rows;
        if (window_->executions[i].key == question.source.parent) {
            rows += window_->executions[i].rows_kept;
        }
    }
}

std::int64_t Flow::position(const Question& question, const Cell& at) const {
    return at.row + (question.joined ? std::int64_t{joined_rows_[at.execution]} : 0);
}

Flow::Instance& Flow::instance_of(const Question& question, std::uint32_t execution) {
    const std::uint32_t id = question.joined ? 0 : execution;
    for (std::size_t i = instances_used_; i > 0; --i) {
        if (instances_[i - 1].execution == id) {
            return instances_[i - 1];
        }
    }
    if (instances_used_ == instances_.size()) {
        instances_.emplace_back();
    }
    Instance& instance = instances_[instances_used_++];
    instance.execution = id;
    instance.last = -1;
    instance.positions.clear();
    instance.used.clear();
    return instance;
}

// Finds the row that the child's value came from: the one that a loop would have come to next.
// False: none is left that a loop would not have used already.
bool Flow::assign(const Question& question, std::uint32_t child) {
    const Execution& execution = window_->executions[child];
    const std::uint64_t value = window_->binds(execution)[question.slot];
    const auto same = std::ranges::equal_range(cells_, value, {}, &Cell::hash);
    Instance* best = nullptr;
    std::int64_t best_position = 0;
    std::int64_t best_cost = INT64_MAX;
    std::size_t looked = 0;
    for (auto at = same.end(); at != same.begin() && looked < kLookBack;) {
        --at;
        const Execution& parent = window_->executions[at->execution];
        if (parent.key != question.source.parent || at->column != question.source.column ||
            parent.end_us > execution.begin_us || at->execution == child ||
            (!question.joined && parent.rows_kept < 2 && parent.key != question.run->key)) {
            continue;
        }
        ++looked;
        Instance& instance = instance_of(question, at->execution);
        const std::int64_t row = position(question, *at);
        const auto index = static_cast<std::size_t>(row);
        if (index < instance.used.size() && instance.used[index]) {
            continue;
        }
        // Going back costs more than any way forward.
        const std::int64_t gap = row - instance.last - 1;
        const std::int64_t cost = gap >= 0 ? gap : 1'000'000 - gap;
        if (cost < best_cost) {
            best_cost = cost;
            best_position = row;
            best = &instance;
        }
    }
    if (best == nullptr) {
        return false;
    }
    const auto index = static_cast<std::size_t>(best_position);
    if (best->used.size() <= index) {
        best->used.resize(index + 1);
    }
    best->used[index] = true;
    best->last = best_position;
    best->positions.push_back(static_cast<std::uint32_t>(best_position));
    return true;
}

// How many of the parent's different values there are; highest_rank: how far into them the used
// ones go.
std::size_t Flow::distinct_values(const Question& question, const Instance& instance,
                                  std::size_t& highest_rank) {
    scratch_.clear();
    highest_rank = 0;
    const auto take = [&](std::uint32_t execution) {
        const Execution& parent = window_->executions[execution];
        for (std::size_t row = 0; row < parent.rows_kept; ++row) {
            const std::uint64_t value = cell(execution, row, question.source.column);
            const std::size_t index =
                row + (question.joined ? joined_rows_[execution] : std::size_t{0});
            if (value != 0 && std::ranges::find(scratch_, value) == scratch_.end() &&
                scratch_.size() < TapRecord::kRowsMax) {
                scratch_.push_back(value);
            }
            if (index < instance.used.size() && instance.used[index]) {
                highest_rank = scratch_.size();
            }
        }
    };
    if (!question.joined) {
        take(instance.execution);
        return scratch_.size();
    }
    for (std::size_t i = 0; i < window_->executions.size(); ++i) {
        if (window_->executions[i].key == question.source.parent) {
            take(static_cast<std::uint32_t>(i));
        }
    }
    return scratch_.size();
}

Flow::Verdict Flow::judge(const Question& question) {
    instances_used_ = 0;
    if (question.joined) {
        join_parents(question);
    }
    std::size_t assigned = 0;
    Verdict span;
    for (const std::uint32_t child : question.run->executions) {
        const Execution& execution = window_->executions[child];
        if (question.slot < execution.binds && window_->binds(execution)[question.slot] != 0 &&
            assign(question, child)) {
            span.first = assigned == 0 ? child : span.first;
            span.last = child;
            ++assigned;
        }
    }
    if (assigned < kRunMin) {
        Verdict none;
        // Pages take most of their values from the page before; one such value is a coincidence.
        none.one_each = instances_used_ > 0 && assigned <= instances_used_ &&
                        assigned * 2 >= question.run->executions.size();
        return none;
    }
    Verdict verdict = weigh(question, assigned);
    verdict.first = span.first;
    verdict.last = span.last;
    // Who else ran this statement meanwhile, with values from elsewhere.
    const auto inside = std::ranges::count_if(question.run->executions, [&](std::uint32_t child) {
        return child >= span.first && child <= span.last;
    });
    const double coverage = static_cast<double>(assigned) / static_cast<double>(inside);
    verdict.score *= coverage;
    // A result walked from its first row to its last is no coincidence, whatever runs beside it.
    const bool whole_walk = verdict.confidence == Confidence::kConfirmed && verdict.rounds >= 8 &&
                            verdict.score >= 0.8 * coverage && coverage >= 0.3;
    verdict.holds = verdict.holds && (coverage >= kCoverage || whole_walk);
    return verdict;
}

// Use and order over all results that feed the run; coverage is the caller's.
Flow::Verdict Flow::weigh(const Question& question, std::size_t assigned) {
    Verdict verdict;
    std::size_t loops = 0, rising = 0, used = 0, values = 0, first_ones = 0;
    for (std::size_t i = 0; i < instances_used_; ++i) {
        const Instance& instance = instances_[i];
        if (instance.positions.size() < 2 && !question.joined) {
            continue;
        }
        ++loops;
        verdict.rounds += static_cast<std::uint32_t>(instance.positions.size());
        rising += longest_rise(instance.positions, tails_);
        std::size_t rank = 0;
        const std::size_t distinct = distinct_values(question, instance, rank);
        const std::size_t here = std::min(instance.positions.size(), distinct);
        used += here;
        values += distinct;
        first_ones += rank * 5 <= here * 6 ? here : 0;  // at most a sixth was skipped
        for (const std::uint32_t at : instance.positions) {
            verdict.values_hash = verdict.values_hash * 31 + at + 1;
        }
    }
    verdict.one_each = assigned <= instances_used_ && !question.joined;
    if (verdict.rounds < kRunMin || values == 0) {
        return verdict;
    }
    const double use = static_cast<double>(used) / static_cast<double>(values);
    const double order = static_cast<double>(rising) / static_cast<double>(verdict.rounds);
    const bool early_end = first_ones * 5 >= used * 4 && used >= kRunMin * loops;
    verdict.holds = use >= kUse || early_end;
    verdict.confidence = order >= kOrder ? Confidence::kConfirmed : Confidence::kLikely;
    verdict.score = (early_end ? 1.0 : use) * order;
    // In a mix of requests, a few values out of order may as well be chance.
    if (verdict.confidence == Confidence::kLikely && !is_request()) {
        verdict.holds = verdict.holds && use >= kCoverage && order >= kUse && verdict.rounds >= 8;
    }
    return verdict;
}

}  // namespace howdah::insight::live
