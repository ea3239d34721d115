// collect_files: which files a path means.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "insight/imports.hpp"
#include "insight/project.hpp"

namespace howdah::insight {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kFileBytesMax = 4 * 1024 * 1024;
constexpr std::uintmax_t kConfigBytesMax = 1024 * 1024;
constexpr std::uintmax_t kDumpBytesMax = 256 * 1024 * 1024;  // logs and dumps
constexpr std::size_t kBinaryProbe = 8192;

bool is_source(const fs::path& path) {
    static constexpr auto kEndings = std::to_array<std::string_view>(
        {".sql", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".prisma"});
    const std::string name = path.filename().string();
    const bool generated = name.ends_with(".d.ts") || name.ends_with(".min.js");
    return !generated && std::ranges::find(kEndings, path.extension().string()) != kEndings.end();
}

bool is_skipped_folder(const fs::path& path) {
    static constexpr auto kFolders = std::to_array<std::string_view>(
        {"node_modules", "dist", "build", "out", "coverage", "vendor", "generated"});
    const std::string name = path.filename().string();
    return (name.size() > 1 && name.starts_with('.') && name != "..") ||
           std::ranges::find(kFolders, name) != kFolders.end();
}

bool is_dump(const fs::path& path) {
    const std::string ending = path.extension().string();
    return ending == ".csv" || ending == ".json" || ending == ".log" || ending == ".ndjson";
}

Result<> read_into(const fs::path& path, std::vector<InputFile>& files,
                   std::vector<Finding>& skipped) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    const auto skip = [&](std::string message) {
        skipped.push_back(finding_at(rule("file-skipped"),
                                     {.file = path.lexically_normal().string()},
                                     {.message = std::move(message)}));
    };
    if (!error && size > (is_dump(path) ? kDumpBytesMax : kFileBytesMax)) {
        skip("too large: " + std::to_string(size) + " bytes");
        return {};
    }
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        return fail(ErrorCode::kInvalidInput, path.string() + ": cannot be read");
    }
    std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (text.substr(0, kBinaryProbe).find('\0') != std::string::npos) {
        skip("binary");
        return {};
    }
    files.push_back({.path = path.lexically_normal().string(), .text = std::move(text)});
    return {};
}

// A config file that cannot be read is as good as none.
void read_config(const fs::path& path, std::vector<InputFile>& files) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    std::ifstream stream(path, std::ios::binary);
    if (error || size > kConfigBytesMax || !stream) {
        return;
    }
    files.push_back({.path = path.lexically_normal().string(),
                     .text = std::string{std::istreambuf_iterator<char>(stream), {}},
                     .language = Language::kConfig});
}

// The configs of the folders above, for `howdah analyze src`: up to the top of the repository.
void read_configs_above(const fs::path& path, std::vector<InputFile>& files,
                        std::set<fs::path>& seen) {
    constexpr int kLevelsMax = 12;
    std::error_code error;
    fs::path folder = fs::is_directory(path, error) ? path : path.parent_path();
    for (int level = 0; level < kLevelsMax; ++level) {
        const fs::path here = folder.empty() ? fs::path(".") : folder;
        if (level > 0 || !fs::is_directory(path, error)) {
            if (!seen.insert(fs::weakly_canonical(here, error)).second) {
                return;
            }
            for (fs::directory_iterator at(here, error), end; !error && at != end;
                 at.increment(error)) {
                if (is_config_file(at->path().string())) {
                    read_config(at->path(), files);
                }
            }
        }
        if (fs::exists(here / ".git", error) ||
            fs::weakly_canonical(here, error) == fs::path("/")) {
            return;
        }
        folder = (here / "..").lexically_normal();
    }
}

Result<> walk(const fs::path& folder, std::vector<InputFile>& files,
              std::vector<Finding>& skipped) {
    std::error_code error;
    fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied,
                                        error);
    if (error) {
        return fail(ErrorCode::kInvalidInput, folder.string() + ": " + error.message());
    }
    std::vector<fs::path> found;
    for (const fs::recursive_directory_iterator end; at != end; at.increment(error)) {
        if (error) {
            break;
        }
        std::error_code ignored;
        if (at->is_directory(ignored)) {
            if (is_skipped_folder(at->path())) {
                at.disable_recursion_pending();
            }
        } else if (at->is_regular_file(ignored) && is_source(at->path())) {
            found.push_back(at->path());
        } else if (at->is_regular_file(ignored) && is_config_file(at->path().string())) {
            read_config(at->path(), files);
        }
    }
    std::ranges::sort(found);
    for (const fs::path& path : found) {
        TRY_VOID(read_into(path, files, skipped));
    }
    return {};
}

}  // namespace

Result<std::vector<InputFile>> collect_files(const std::vector<std::string>& paths,
                                             std::vector<Finding>& skipped) {
    std::vector<InputFile> files;
    std::set<fs::path> seen;
    for (const std::string& path : paths) {
        std::error_code error;
        if (fs::is_directory(path, error)) {
            TRY_VOID(walk(path, files, skipped));
            read_configs_above(path, files, seen);
        } else if (fs::exists(path, error)) {
            TRY_VOID(read_into(path, files, skipped));
            if (is_source(path)) {
                read_configs_above(path, files, seen);
            }
        } else {
            return fail(ErrorCode::kNotFound, path + ": there is no such file or folder");
        }
    }
    return files;
}

}  // namespace howdah::insight
