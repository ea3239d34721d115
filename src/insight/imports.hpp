// ImportMap: which of the project's files an import specifier means: relative ones, aliases of
// tsconfig.json and jsconfig.json (paths, baseUrl, extends, references), `imports` of package.json
// and the packages of a monorepo by their names.
//
// Built once, then read only. Paths are as findings name them, relative ones from the working
// folder; inside all are absolute. Nothing is looked up on disk.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace howdah::insight {

// tsconfig*.json, jsconfig*.json, package.json: read for what imports mean, not judged.
bool is_config_file(std::string_view path);

class ImportMap {
  public:
    struct Config {
        std::string path = {};
        std::string text = {};
    };
    ImportMap() = default;
    // A config that does not parse counts as absent.
    ImportMap(const std::vector<Config>& configs, const std::vector<std::string>& files);

    // "" when it is none of the files.
    std::string resolve(std::string_view from, std::string_view specifier) const;

  private:
    struct Pattern {
        std::string key = {};  // "@/*": at most one star
        std::vector<std::string> targets = {};
    };
    struct Aliases {
        std::optional<std::string> base = {};  // folder of baseUrl
        std::vector<Pattern> patterns = {};
    };
    struct Package {
        std::string folder = {};
        std::vector<Pattern> imports = {};
        std::vector<Pattern> exports = {};
        std::vector<std::string> mains = {};
    };
    struct Reader;  // of the JSON texts

    std::string absolute(std::string_view path) const;
    std::string file_at(const std::string& path) const;
    std::string by_patterns(const std::vector<Pattern>& patterns, std::string_view specifier) const;
    std::string by_aliases(std::string_view from, std::string_view specifier) const;
    std::string by_package(std::string_view specifier) const;

    std::string base_;
    std::map<std::string, std::string, std::less<>> files_;      // absolute -> as given
    std::map<std::string, Aliases, std::less<>> aliases_;        // by folder of the tsconfig
    std::map<std::string, Package, std::less<>> packages_;       // by name
    std::map<std::string, std::string, std::less<>> by_folder_;  // folder -> package's name
};

}  // namespace howdah::insight
