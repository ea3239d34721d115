// Families as text for Prometheus. Pure.
//
//     text 0.0.4       prometheus.io/docs/instrumenting/exposition_formats
//     OpenMetrics 1.0  github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
//
// They differ in a counter's family name (without _total in OpenMetrics), in UNIT lines, in how
// info metrics are typed, and in the end mark `# EOF`.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "monitor/metric.hpp"

namespace howdah::monitor {

enum class Exposition : std::uint8_t { kPrometheusText, kOpenMetrics };

[[nodiscard]] std::string_view content_type(Exposition format);
// What a scraper that sends this Accept header wants; the text format where it does not say.
[[nodiscard]] Exposition negotiate(std::string_view accept);
// Families without samples are left out. Label values that are not UTF-8 have their bad bytes
// replaced by U+FFFD.
[[nodiscard]] std::string expose(std::span<const Family> families, Exposition format);

}  // namespace howdah::monitor
