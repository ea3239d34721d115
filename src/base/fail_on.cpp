#include "base/fail_on.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace howdah {
namespace {

constexpr std::array<std::pair<std::string_view, Severity>, 3> kSeverities{
    {{"error", Severity::kError}, {"warning", Severity::kWarning}, {"info", Severity::kInfo}}};
constexpr std::array<std::pair<std::string_view, Risk>, 3> kRisks{
    {{"high", Risk::kHigh}, {"medium", Risk::kMedium}, {"low", Risk::kLow}}};
constexpr std::string_view kNever = "never";

template <typename Table>
auto find(const Table& table, std::string_view word) {
    return std::ranges::find(table, word, &Table::value_type::first);
}

}  // namespace

bool is_fail_on(std::string_view word) {
    return word == kNever || find(kSeverities, word) != kSeverities.end() ||
           find(kRisks, word) != kRisks.end();
}

bool fails(const Finding& finding, std::string_view fail_on) {
    if (const auto severity = find(kSeverities, fail_on); severity != kSeverities.end()) {
        return finding.severity >= severity->second;
    }
    if (const auto risk = find(kRisks, fail_on); risk != kRisks.end()) {
        return finding.risk >= risk->second;
    }
    return fail_on != kNever;
}

}  // namespace howdah
