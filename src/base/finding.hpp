// Finding: the one type in which linter, analyzer, advisor, validator and alerts speak.
// Rendered by one set of renderers (text, JSON, Markdown, SARIF, GitHub annotations).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace howdah {

enum class Severity : std::uint8_t { kInfo, kWarning, kError };
enum class Risk : std::uint8_t { kNone, kLow, kMedium, kHigh };

// A replacement of bytes [begin, end) of `file` by `text`; offsets count from the file's start. A
// file that is not there yet is made. The places say the same in lines and characters, from 1.
struct Edit {
    std::string file;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string text;
    std::uint32_t line = 1;
    std::uint32_t column = 1;
    std::uint32_t end_line = 1;
    std::uint32_t end_column = 1;
};

struct Finding {
    std::string rule;  // kebab-case, in plain words: "create-index-not-concurrently"
    Severity severity = Severity::kWarning;
    Risk risk = Risk::kNone;
    std::string file;          // empty where there is none
    std::uint32_t line = 0;    // 1-based; 0 = unknown
    std::uint32_t column = 0;  // 1-based, in characters; 0 = unknown
    std::string source;        // the source line(s) the caret points into
    std::uint32_t caret_length = 1;
    std::string message;      // what
    std::string why;          // why it matters
    std::string evidence;     // numbers: what was measured or counted, and where
    std::string fix;          // SQL, code or setting
    std::string impact;       // expected effect, or "lock + tables + work + duration"
    std::string confidence;   // "certain", "likely", "suspected"
    std::vector<Edit> edits;  // `fix` for machines: all of them, or none
};

}  // namespace howdah
