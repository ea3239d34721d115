#include "monitor/exposition.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>

#include "base/utf8.hpp"

namespace howdah::monitor {
namespace {

using Out = std::back_insert_iterator<std::string>;

void append_escaped(std::string& out, std::string_view text, bool quotes) {
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t bytes = utf8_character_bytes(text);
        if (bytes == 0) {
            out += "\xef\xbf\xbd";
            text.remove_prefix(1);
            continue;
        }
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out.append(text.substr(0, bytes));
        }
        text.remove_prefix(bytes);
    }
}

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        char digits[64];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out.append(digits, end);
    }
}

// {database="shop",le="0.1"}; nothing without labels.
void append_labels(std::string& out, const MetricSpec& spec, const Sample& sample,
                   std::string_view limit) {
    std::string_view names = spec.labels;
    char separator = '{';
    for (std::size_t i = 0; i < sample.labels.size() && !names.empty(); ++i) {
        const std::size_t comma = names.find(',');
        out += separator;
        out.append(names.substr(0, comma)).append("=\"");
        append_escaped(out, sample.labels[i], true);
        out += '"';
        separator = ',';
        names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
    }
    if (!limit.empty()) {
        out += separator;
        out.append("le=\"").append(limit).append("\"");
        separator = ',';
    }
    if (separator == ',') {
        out += '}';
    }
    out += ' ';
}

void append_histogram(std::string& out, const MetricSpec& spec, const Sample& sample) {
    for (const Bucket& bucket : sample.buckets) {
        std::string limit;
        append_number(limit, bucket.limit);
        if (limit.find_first_of(".e") == std::string::npos) {
            limit += ".0";  // OpenMetrics: a canonical float
        }
        out.append(spec.name).append("_bucket");
        append_labels(out, spec, sample, limit);
        fmt::format_to(Out(out), "{}\n", bucket.count);
    }
    out.append(spec.name).append("_bucket");
    append_labels(out, spec, sample, "+Inf");
    fmt::format_to(Out(out), "{}\n", sample.count);
    out.append(spec.name).append("_sum");
    append_labels(out, spec, sample, "");
    append_number(out, sample.value);
    out += '\n';
    out.append(spec.name).append("_count");
    append_labels(out, spec, sample, "");
    fmt::format_to(Out(out), "{}\n", sample.count);
}

std::string_view type_word(MetricType type, Exposition format) {
    switch (type) {
        case MetricType::kCounter:
            return "counter";
        case MetricType::kHistogram:
            return "histogram";
        case MetricType::kInfo:
            return format == Exposition::kOpenMetrics ? "info" : "gauge";
        case MetricType::kGauge:
            break;
    }
    return "gauge";
}

std::string_view family_name(const MetricSpec& spec, Exposition format) {
    std::string_view name = spec.name;
    if (format == Exposition::kOpenMetrics) {
        if (spec.type == MetricType::kCounter && name.ends_with("_total")) {
            name.remove_suffix(6);
        } else if (spec.type == MetricType::kInfo && name.ends_with("_info")) {
            name.remove_suffix(5);
        }
    }
    return name;
}

void append_family(std::string& out, const Family& family, Exposition format) {
    const MetricSpec& spec = *family.spec;
    const std::string_view name = family_name(spec, format);
    fmt::format_to(Out(out), "# HELP {} ", name);
    append_escaped(out, spec.help, format == Exposition::kOpenMetrics);
    fmt::format_to(Out(out), "\n# TYPE {} {}\n", name, type_word(spec.type, format));
    // A unit must be the end of the family's name.
    if (format == Exposition::kOpenMetrics && !spec.unit.empty() && name.ends_with(spec.unit)) {
        fmt::format_to(Out(out), "# UNIT {} {}\n", name, spec.unit);
    }
    for (const Sample& sample : family.samples) {
        if (spec.type == MetricType::kHistogram) {
            append_histogram(out, spec, sample);
            continue;
        }
        out.append(spec.name);
        append_labels(out, spec, sample, "");
        append_number(out, sample.value);
        out += '\n';
    }
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The q of one media range, in thousandths; 1000 where it has none. Version other than 1.0.0 or
// 0.0.1 of OpenMetrics: 0.
int quality(std::string_view parameters) {
    int q = 1000;
    while (!parameters.empty()) {
        const std::size_t semicolon = parameters.find(';');
        const std::string_view item = trimmed(parameters.substr(0, semicolon));
        parameters.remove_prefix(semicolon == std::string_view::npos ? parameters.size()
                                                                     : semicolon + 1);
        if (item.starts_with("q=")) {
            double value = 0;
            std::from_chars(item.data() + 2, item.data() + item.size(), value);
            q = static_cast<int>(value * 1000);
        } else if (item.starts_with("version=") && item != "version=1.0.0" &&
                   item != "version=0.0.1" && item != "version=0.0.4") {
            return 0;
        }
    }
    return q;
}

}  // namespace

std::string_view content_type(Exposition format) {
    return format == Exposition::kOpenMetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

Exposition negotiate(std::string_view accept) {
    int open_metrics = 0;
    int text = 0;
    while (!accept.empty()) {
        const std::size_t comma = accept.find(',');
        const std::string_view range = accept.substr(0, comma);
        accept.remove_prefix(comma == std::string_view::npos ? accept.size() : comma + 1);
        const std::size_t semicolon = std::min(range.find(';'), range.size());
        const std::string_view type = trimmed(range.substr(0, semicolon));
        const int q = quality(range.substr(std::min(range.size(), semicolon + 1)));
        if (type == "application/openmetrics-text") {
            open_metrics = std::max(open_metrics, q);
        } else if (type == "text/plain" || type == "text/*") {
            text = std::max(text, q);
        }
    }
    return open_metrics > 0 && open_metrics >= text ? Exposition::kOpenMetrics
                                                    : Exposition::kPrometheusText;
}

std::string expose(std::span<const Family> families, Exposition format) {
    std::string out;
    out.reserve(64 * 1024);
    for (const Family& family : families) {
        if (!family.samples.empty()) {
            append_family(out, family, format);
        }
    }
    if (format == Exposition::kOpenMetrics) {
        out += "# EOF\n";
    }
    return out;
}

}  // namespace howdah::monitor
