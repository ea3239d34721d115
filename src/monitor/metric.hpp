// Metrics as values: what a metric is (MetricSpec, from the one table in catalogue.hpp), and what
// it is worth now (Family: a spec with its samples). Exporters turn families into their formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace howdah::monitor {

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram, kInfo };

struct MetricSpec {
    std::string_view name;  // as Prometheus shows it: counters end in _total, info in _info
    MetricType type = MetricType::kGauge;
    std::string_view unit;    // seconds, bytes; empty: a count or a state
    std::string_view labels;  // names, comma-separated; empty: none
    std::string_view help;
};

// A cumulative bucket: how many values were at or below `limit`.
struct Bucket {
    double limit = 0;
    std::uint64_t count = 0;
};

struct Sample {
    std::vector<std::string> labels;   // values, in the spec's order
    double value = 0;                  // a histogram: the sum
    std::vector<Bucket> buckets = {};  // a histogram only, rising; without +Inf
    std::uint64_t count = 0;           // a histogram only: all values
};

struct Family {
    const MetricSpec* spec = nullptr;
    std::vector<Sample> samples;
};

}  // namespace howdah::monitor
