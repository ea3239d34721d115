// SourceText: a text under analysis, its lines, and findings at places in it. Lives as long as one
// file's analysis, on one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.hpp"
#include "insight/rule.hpp"
#include "insight/schema.hpp"

namespace howdah::insight {

// Bytes of a text.
struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
};

// What a rule says about one place; empty fields are the rule's own.
struct Notice {
    std::string message = {};
    std::string fix = {};
    std::string evidence = {};
    std::string impact = {};
    std::string_view confidence = "certain";  // "likely", "suspected"
    bool minor = false;                       // one severity lower than the rule's
};

class SourceText {
  public:
    SourceText(std::string file, std::string_view text);

    const std::string& file() const { return file_; }
    std::string_view text() const { return text_; }
    std::uint32_t line_of(std::size_t offset) const;    // 1-based
    std::uint32_t column_of(std::size_t offset) const;  // 1-based, in characters
    std::string_view line_text(std::uint32_t line) const;
    Place place(Range range) const;
    // A finding of `rule`, the caret under the part of `range` that is on its first line.
    Finding finding(const Rule& rule, Range range, Notice notice) const;

  private:
    std::string file_;
    std::string_view text_;
    std::vector<std::size_t> line_starts_;
};

Finding finding_at(const Rule& rule, const Place& place, Notice notice);

// The place of one offset, without a SourceText; costs a pass over the text before it.
Place place_in(std::string_view file, std::string_view text, std::size_t offset);

}  // namespace howdah::insight
