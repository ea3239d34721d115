#include "cli/lint_select.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

namespace howdah::cli {
namespace {

std::string shell_quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return out + "'";
}

Result<std::vector<std::string>> lines_of(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"),
                                                               [](std::FILE*) { return 0; });
    if (pipe == nullptr) {
        return fail(ErrorCode::kUnavailable, "git cannot be started");
    }
    std::string text;
    char buffer[4096];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;) {
        text.append(buffer, got);
    }
    if (pclose(pipe.get()) != 0) {
        return fail({ErrorCode::kInvalidInput, "", "git failed: " + command,
                     "--since and --changed need a git work tree and a revision that it knows"});
    }
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\0', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

}  // namespace

Result<> select_changed(migrate::lint::Project& project, const std::string& revision) {
    const std::string git = "git -C " + shell_quoted(project.folder.empty() ? "." : project.folder);
    TRY(std::vector<std::string> names,
        lines_of(git + " diff --name-only --relative -z " +
                 shell_quoted(revision.empty() ? "HEAD" : revision) + " -- ."));
    TRY(const std::vector<std::string> untracked,
        lines_of(git + " ls-files --others --exclude-standard -z -- ."));
    names.insert(names.end(), untracked.begin(), untracked.end());
    std::set<std::filesystem::path> changed;
    for (const std::string& name : names) {
        changed.insert((std::filesystem::path(project.folder) / name).lexically_normal());
    }
    for (migrate::lint::MigrationFile& file : project.files) {
        file.judged =
            file.judged && changed.contains(std::filesystem::path(file.path).lexically_normal());
        file.pending = file.judged;
    }
    return {};
}

bool matches(const std::string& pattern, const std::string& path) {
    const std::string name = std::filesystem::path(path).filename().string();
    return fnmatch(pattern.c_str(), path.c_str(), 0) == 0 ||
           fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace howdah::cli
