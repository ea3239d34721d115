#include "migrate/lint/chains.hpp"

#include <algorithm>

#include "migrate/history/digest.hpp"

namespace howdah::migrate::lint {
namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(kSpace);
    return begin == std::string_view::npos
               ? std::string_view()
               : text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// Takes the first line off, without its end.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

SqitchChange read_change(std::string_view line) {
    SqitchChange change;
    change.name = line.substr(0, line.find_first_of(" \t\r"));
    line.remove_prefix(change.name.size());
    line = trimmed(line.substr(0, line.find(" #")));
    if (line.starts_with('[')) {
        line = trimmed(line.substr(std::min(line.find(']'), line.size() - 1) + 1));
    }
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos && line.substr(space).ends_with('>')) {
        change.time = line.substr(0, space);
        change.planner = trimmed(line.substr(space));
    }
    return change;
}

}  // namespace

SqitchPlan read_sqitch_plan(std::string_view text) {
    SqitchPlan plan;
    for (std::uint32_t number = 1; !text.empty(); ++number) {
        const std::string_view line = trimmed(take_line(text));
        constexpr std::string_view kProject = "%project=";
        if (line.starts_with(kProject)) {
            plan.project = line.substr(kProject.size());
        }
        if (line.empty() || line[0] == '%' || line[0] == '#') {
            continue;
        }
        plan.tagged = line[0] == '@';
        if (!plan.tagged) {
            plan.changes.push_back(read_change(line));
            plan.changes.back().line = number;
        }
    }
    return plan;
}

GraphileFile read_graphile_file(std::string_view text) {
    GraphileFile file;
    std::uint32_t number = 1;
    for (;; ++number) {
        std::string_view rest = text;
        const std::string_view line = take_line(rest);
        const bool header =
            line.starts_with("--! ") && line.size() > 4 && line[4] >= 'A' && line[4] <= 'Z';
        if (!header) {
            break;
        }
        const std::size_t colon = std::min(line.find(':'), line.size());
        const std::string_view key = line.substr(4, colon - 4);
        const std::string value(trimmed(line.substr(std::min(colon + 1, line.size()))));
        if (key == "Previous") {
            file.previous = value == "-" ? "" : value;
            file.previous_line = number;
        } else if (key == "Hash") {
            file.hash = value;
            file.hash_line = number;
        } else if (key == "Message") {
            file.message = value;
        } else if (key == "AllowInvalidHash") {
            file.allows_invalid_hash = true;
        }
        text = rest;
    }
    file.body = trimmed(text);
    return file;
}

std::string graphile_hash(std::string_view body, std::string_view previous) {
    const std::string both = std::string(previous) + "\n" + std::string(trimmed(body));
    return "sha1:" + runner::sha1_hex(std::string(trimmed(both)) + "\n");
}

}  // namespace howdah::migrate::lint
