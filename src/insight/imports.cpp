#include "insight/imports.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <filesystem>

namespace howdah::insight {
namespace {

namespace json = boost::json;

constexpr int kExtendsMax = 8;

std::string joined(std::string_view folder, std::string_view path) {
    return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::string folder_of(std::string_view path) {
    return std::filesystem::path(path).parent_path().string();
}

std::string plain(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    return path;
}

std::string name_of(std::string_view path) {
    return std::filesystem::path(path).filename().string();
}

// What the star of `key` stands for; nullopt when the specifier does not match.
std::optional<std::string> star_of(std::string_view key, std::string_view specifier) {
    const std::size_t star = key.find('*');
    if (star == std::string_view::npos) {
        return key == specifier ? std::optional<std::string>("") : std::nullopt;
    }
    const std::string_view head = key.substr(0, star);
    const std::string_view tail = key.substr(star + 1);
    if (specifier.size() < head.size() + tail.size() || !specifier.starts_with(head) ||
        !specifier.ends_with(tail)) {
        return std::nullopt;
    }
    specifier.remove_prefix(head.size());
    specifier.remove_suffix(tail.size());
    return std::string(specifier);
}

// All strings that a target may be: "./a.ts", ["./a.ts"], { import: ..., default: ... }.
void add_targets(const json::value& value, const std::string& folder,
                 std::vector<std::string>& targets, int depth) {
    if (const json::string* text = value.if_string()) {
        targets.push_back(joined(folder, std::string_view(*text)));
    } else if (const json::array* list = value.if_array(); list != nullptr && depth < 4) {
        for (const json::value& each : *list) {
            add_targets(each, folder, targets, depth + 1);
        }
    } else if (const json::object* object = value.if_object(); object != nullptr && depth < 4) {
        for (const auto& member : *object) {
            add_targets(member.value(), folder, targets, depth + 1);
        }
    }
}

const json::value* member(const json::value& value, std::string_view key) {
    const json::object* object = value.if_object();
    return object == nullptr ? nullptr : object->if_contains(key);
}

std::string text_of(const json::value* value) {
    const json::string* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string() : std::string(std::string_view(*text));
}

}  // namespace

bool is_config_file(std::string_view path) {
    const std::string name = name_of(path);
    return name == "package.json" || (name.ends_with(".json") && (name.starts_with("tsconfig") ||
                                                                  name.starts_with("jsconfig")));
}

struct ImportMap::Reader {
    std::map<std::string, json::value, std::less<>> documents = {};  // by path
    const std::map<std::string, Package, std::less<>>& packages;

    void add(const Config& config) {
        json::parse_options options;
        options.allow_comments = true;
        options.allow_trailing_commas = true;
        std::string_view text = config.text;
        text.remove_prefix(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
        json::error_code error;
        json::value value = json::parse(text, error, {}, options);
        if (!error) {
            documents.emplace(config.path, std::move(value));
        }
    }

    // The document that `extends` or `references` of the config at `path` names.
    const std::string* other(const std::string& path, std::string_view named) const {
        std::string place;
        if (named.starts_with('.') || named.starts_with('/')) {
            place = joined(folder_of(path), named);
        } else {  // "@repo/tsconfig/base.json": a package of the same repository
            for (const auto& [name, package] : packages) {
                if (named == name || (named.starts_with(name) && named[name.size()] == '/')) {
                    place = joined(package.folder,
                                   named == name ? "tsconfig.json" : named.substr(name.size() + 1));
                }
            }
        }
        place = plain(place);
        for (const std::string& each : {place, place + ".json", joined(place, "tsconfig.json")}) {
            if (const auto found = documents.find(each); found != documents.end()) {
                return &found->first;
            }
        }
        return nullptr;
    }

    // paths and baseUrl of the config at `path`; what it extends only counts where it is silent.
    Aliases read(const std::string& path, int depth) const {
        Aliases aliases;
        const json::value& document = documents.find(path)->second;
        if (const json::value* options = member(document, "compilerOptions")) {
            if (const std::string base = text_of(member(*options, "baseUrl")); !base.empty()) {
                aliases.base = plain(joined(folder_of(path), base));
            }
            const json::value* paths = member(*options, "paths");
            const std::string folder = aliases.base.value_or(folder_of(path));
            for (const auto& each :
                 paths != nullptr && paths->is_object() ? paths->get_object() : json::object()) {
                Pattern pattern{.key = std::string(each.key())};
                add_targets(each.value(), folder, pattern.targets, 0);
                aliases.patterns.push_back(std::move(pattern));
            }
        }
        if (depth < kExtendsMax) {
            inherit(path, member(document, "extends"), aliases, depth);
            // Vite's tsconfig.json only refers to tsconfig.app.json
            const json::value* list = member(document, "references");
            if (aliases.patterns.empty() && list != nullptr && list->is_array()) {
                for (const json::value& each : list->get_array()) {
                    inherit(path, member(each, "path"), aliases, depth);
                }
            }
        }
        return aliases;
    }

    void inherit(const std::string& path, const json::value* named, Aliases& aliases,
                 int depth) const {
        if (named == nullptr) {
            return;
        }
        std::vector<std::string> names;
        if (const json::array* list = named->if_array()) {
            for (const json::value& each : *list) {
                names.push_back(text_of(&each));
            }
            std::ranges::reverse(names);  // the last one wins
        } else {
            names.push_back(text_of(named));
        }
        for (const std::string& name : names) {
            const std::string* found = name.empty() ? nullptr : other(path, name);
            if (found == nullptr) {
                continue;
            }
            Aliases more = read(*found, depth + 1);
            if (aliases.patterns.empty()) {
                aliases.patterns = std::move(more.patterns);
            }
            if (!aliases.base) {
                aliases.base = std::move(more.base);
            }
        }
    }
};

namespace {

template <typename Pattern>
std::vector<Pattern> read_patterns(const json::value* map, const std::string& folder,
                                   std::string_view begins) {
    std::vector<Pattern> patterns;
    const json::object* object = map == nullptr ? nullptr : map->if_object();
    if (object == nullptr) {
        return patterns;
    }
    for (const auto& each : *object) {
        if (each.key().starts_with(begins)) {
            Pattern pattern{.key = std::string(each.key())};
            add_targets(each.value(), folder, pattern.targets, 0);
            patterns.push_back(std::move(pattern));
        }
    }
    return patterns;
}

}  // namespace

ImportMap::ImportMap(const std::vector<Config>& configs, const std::vector<std::string>& files) {
    std::error_code error;
    base_ = std::filesystem::current_path(error).string();
    for (const std::string& file : files) {
        files_.emplace(absolute(file), file);
    }
    Reader reader{.packages = packages_};
    for (const Config& config : configs) {
        reader.add({.path = absolute(config.path), .text = config.text});
    }
    for (const auto& [path, document] : reader.documents) {
        if (name_of(path) != "package.json") {
            continue;
        }
        Package package{.folder = folder_of(path)};
        package.imports = read_patterns<Pattern>(member(document, "imports"), package.folder, "#");
        const json::value* exports = member(document, "exports");
        package.exports = read_patterns<Pattern>(exports, package.folder, ".");
        if (exports != nullptr && package.exports.empty()) {
            add_targets(*exports, package.folder, package.mains, 0);
        }
        for (const std::string_view key : {"source", "types", "module", "main"}) {
            if (const std::string main = text_of(member(document, key)); !main.empty()) {
                package.mains.push_back(joined(package.folder, main));
            }
        }
        const std::string name = text_of(member(document, "name"));
        // without a name its imports count all the same
        const std::string key = name.empty() ? "/" + path : name;
        by_folder_.emplace(package.folder, key);
        packages_.emplace(key, std::move(package));
    }
    for (const auto& [path, document] : reader.documents) {
        const std::string name = name_of(path);
        if (name == "tsconfig.json" || name == "jsconfig.json") {
            aliases_.emplace(folder_of(path), reader.read(path, 0));
        }
    }
}

std::string ImportMap::absolute(std::string_view path) const {
    return joined(base_.empty() ? "/" : base_, path);
}

// The file that `path` is without its ending, or with the ending that it will have once compiled.
std::string ImportMap::file_at(const std::string& path) const {
    const std::string whole = plain(path);
    std::string stem = whole;
    for (const std::string_view ending : {".js", ".mjs", ".jsx", ".cjs", ".d.ts"}) {
        if (stem.ends_with(ending)) {
            stem.resize(stem.size() - ending.size());
            break;
        }
    }
    std::vector<std::string> places{whole, stem};
    // "dist/client.js" is made from "src/client.ts"
    for (const std::string_view built : {"dist/", "build/", "lib/"}) {
        if (const std::size_t at = stem.rfind(built);
            at != std::string::npos && (at == 0 || stem[at - 1] == '/')) {
            places.push_back(stem.substr(0, at) + "src/" + stem.substr(at + built.size()));
            places.push_back(stem.substr(0, at) + stem.substr(at + built.size()));
        }
    }
    for (const std::string& place : places) {
        for (const std::string_view ending :
             {"", ".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs", ".cts", ".cjs", "/index.ts",
              "/index.tsx", "/index.js", "/index.mts", "/index.mjs"}) {
            if (const auto found = files_.find(place + std::string(ending));
                found != files_.end()) {
                return found->second;
            }
        }
    }
    return {};
}

// The pattern with the longest text before its star wins, as in TypeScript and Node.
std::string ImportMap::by_patterns(const std::vector<Pattern>& patterns,
                                   std::string_view specifier) const {
    const Pattern* best = nullptr;
    std::size_t longest = 0;
    for (const Pattern& each : patterns) {
        const std::size_t star = each.key.find('*');
        const std::size_t length = star == std::string::npos ? each.key.size() + 1 : star;
        if (star_of(each.key, specifier) && (best == nullptr || length > longest)) {
            best = &each;
            longest = length;
        }
    }
    if (best == nullptr) {
        return {};
    }
    const std::string star = *star_of(best->key, specifier);
    for (std::string target : best->targets) {
        if (const std::size_t at = target.find('*'); at != std::string::npos) {
            target.replace(at, 1, star);
        }
        if (std::string file = file_at(target); !file.empty()) {
            return file;
        }
    }
    return {};
}

std::string ImportMap::by_aliases(std::string_view from, std::string_view specifier) const {
    for (std::string folder = folder_of(from);; folder = folder_of(folder)) {
        if (const auto found = aliases_.find(folder); found != aliases_.end()) {
            std::string file = by_patterns(found->second.patterns, specifier);
            if (file.empty() && found->second.base) {
                file = file_at(joined(*found->second.base, specifier));
            }
            return file;
        }
        if (folder.size() <= 1) {
            return {};
        }
    }
}

std::string ImportMap::by_package(std::string_view specifier) const {
    std::size_t end = specifier.find('/');
    if (specifier.starts_with('@') && end != std::string_view::npos) {
        end = specifier.find('/', end + 1);
    }
    const std::string_view name = specifier.substr(0, end);
    const auto found = packages_.find(name);
    if (found == packages_.end()) {
        return {};
    }
    const Package& package = found->second;
    const std::string rest =
        end == std::string_view::npos ? "" : std::string(specifier.substr(end + 1));
    if (std::string file = by_patterns(package.exports, rest.empty() ? "." : "./" + rest);
        !file.empty()) {
        return file;
    }
    if (rest.empty()) {
        for (const std::string& main : package.mains) {
            if (std::string file = file_at(main); !file.empty()) {
                return file;
            }
        }
    }
    std::string file = file_at(joined(package.folder, rest));
    return file.empty() ? file_at(joined(joined(package.folder, "src"), rest)) : file;
}

std::string ImportMap::resolve(std::string_view file_path, std::string_view specifier) const {
    if (specifier.empty()) {
        return {};
    }
    const std::string from = absolute(file_path);
    if (specifier.starts_with('.')) {
        return file_at(joined(folder_of(from), specifier));
    }
    if (specifier.starts_with('#')) {
        for (std::string folder = folder_of(from);; folder = folder_of(folder)) {
            if (const auto found = by_folder_.find(folder); found != by_folder_.end()) {
                const std::string file =
                    by_patterns(packages_.find(found->second)->second.imports, specifier);
                return file.empty() ? by_aliases(from, specifier) : file;
            }
            if (folder.size() <= 1) {
                return by_aliases(from, specifier);
            }
        }
    }
    std::string named = by_aliases(from, specifier);
    return named.empty() ? by_package(specifier) : named;
}

}  // namespace howdah::insight
