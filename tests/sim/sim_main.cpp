// howdah_sim: the simulation by hand.
//
//   howdah_sim --seed N [--canary]           one run
//   howdah_sim [--first N] [--runs N]        many
//
// --canary plants each bug in turn and demands that it is caught.

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>

#include "base/log.hpp"
#include "tests/sim/proxy_sim.hpp"

namespace {

using howdah::sim::RunResult;
using howdah::sim::Sabotage;

struct Arguments {
    std::optional<std::uint64_t> seed;
    std::uint64_t first = 1;
    std::uint64_t runs = 1000;
    bool canary = false;
    bool verbose = false;
};

std::optional<Arguments> parse(int count, char** words) {
    Arguments arguments;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--canary") {
            arguments.canary = true;
            continue;
        }
        if (word == "--verbose") {
            arguments.verbose = true;
            continue;
        }
        std::uint64_t number = 0;
        const std::string_view value = i + 1 < count ? words[++i] : "";
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc() || end != value.data() + value.size()) {
            return std::nullopt;
        }
        if (word == "--seed") {
            arguments.seed = number;
        } else if (word == "--first") {
            arguments.first = number;
        } else if (word == "--runs") {
            arguments.runs = number;
        } else {
            return std::nullopt;
        }
    }
    return arguments;
}

// How many of the runs found something.
std::uint64_t run_all(const Arguments& arguments, Sabotage sabotage, bool quiet) {
    const std::uint64_t first = arguments.seed.value_or(arguments.first);
    const std::uint64_t runs = arguments.seed ? 1 : arguments.runs;
    std::uint64_t failed = 0;
    std::uint64_t answers = 0;
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
        const RunResult result = howdah::sim::run_simulation(seed, sabotage);
        answers += result.answers;
        if (!result.failures.empty()) {
            ++failed;
            if (!quiet) {
                fmt::print("{}", howdah::sim::describe(seed, result));
                std::fflush(stdout);
            }
        }
    }
    fmt::print("{} runs, {} answers, {} failed\n", runs, answers, failed);
    return failed;
}

}  // namespace

int main(int count, char** words) {
    const auto arguments = parse(count, words);
    if (!arguments) {
        fmt::print(stderr,
                   "usage: howdah_sim [--seed N | --first N --runs N] [--canary] [--verbose]\n");
        return 2;
    }
    howdah::log::Options options;
    options.level = arguments->verbose ? howdah::log::Level::kDebug : howdah::log::Level::kFatal;
    static_cast<void>(howdah::log::configure(options));
    if (!arguments->canary) {
        return run_all(*arguments, Sabotage::kNone, false) == 0 ? 0 : 1;
    }
    bool all = true;
    for (const Sabotage bug : {Sabotage::kLeakParameter, Sabotage::kSwapRow, Sabotage::kTwoBackends,
                               Sabotage::kLoseAnswer, Sabotage::kSwapStatement, Sabotage::kHideView,
                               Sabotage::kKeepOpen}) {
        Arguments few = *arguments;
        few.runs = std::min<std::uint64_t>(few.runs, 20);
        all = run_all(few, bug, true) > 0 && all;
    }
    fmt::print("{}\n", all ? "every planted bug was caught" : "a planted bug was NOT caught");
    return all ? 0 : 1;
}
