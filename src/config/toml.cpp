// howdah.toml: [proxy] option = value, [databases.NAME], [users.NAME], [peers.N]; hba = [..] with
// lines of pg_hba.conf. [lint], [migrate] and [deploy] are those commands' own.
//
// Strings may hold ${NAME} of the environment ($${ writes it literally); key_file = "path" takes a
// secret from a file.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/toml.hpp"
#include "config/entry.hpp"
#include "config/options.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

constexpr std::string_view kTables[] = {"proxy", "databases", "users",   "peers",
                                        "hba",   "lint",      "migrate", "deploy"};

// Tables of the same file that other commands read.
bool is_of_others(std::string_view key) {
    return key == "lint" || key == "migrate" || key == "deploy";
}

class TomlReader {
  public:
    TomlReader(std::string path, const Environment& environment)
        : path_(std::move(path)), environment_(environment) {}

    Parsed run(std::string_view text) {
        try {
            read(toml_table(text, path_));
        } catch (const toml::parse_error& failure) {
            syntax_error(static_cast<int>(failure.source().begin.line), failure.description());
        }
        return std::move(parsed_);
    }

  private:
    Origin origin_of(const toml::node& node) const {
        return {Origin::Kind::kFile, path_, static_cast<int>(node.source().begin.line)};
    }

    void syntax_error(int line, std::string_view what) {
        error({Origin::Kind::kFile, path_, line}, "",
              fmt::format("syntax error in configuration ({}:{}): {}", path_, line, what));
    }

    void error(const Origin& origin, std::string key, std::string message) {
        parsed_.diagnostics.push_back(
            diagnose(Diagnostic::Severity::kError, origin, std::move(key), std::move(message)));
    }

    void read(const toml::table& root) {
        for (const auto& [key_node, node] : root) {
            const std::string key(key_node.str());
            if (key == "hba") {
                hba(node);
            } else if (key == "proxy" && node.is_table()) {
                options(*node.as_table(), Scope::kGlobal, "");
            } else if (key == "databases" && node.is_table()) {
                named(*node.as_table(), Scope::kDatabase, key);
            } else if (key == "users" && node.is_table()) {
                named(*node.as_table(), Scope::kUser, key);
            } else if (key == "peers" && node.is_table()) {
                named(*node.as_table(), Scope::kPeer, key);
            } else if (is_of_others(key) && node.is_table()) {
                continue;
            } else if (!node.is_table() && !node.is_array_of_tables() &&
                       find_option(global_options(), key) != nullptr) {
                value(Scope::kGlobal, "", key, node);
            } else {
                unknown_table(key, origin_of(node));
            }
        }
    }

    void unknown_table(const std::string& key, const Origin& origin) {
        error(origin, key,
              fmt::format("unknown section or option: {} ({}:{})", key, origin.file, origin.line));
        std::vector<std::string_view> names(std::begin(kTables), std::end(kTables));
        for (const auto& option : global_options()) {
            names.push_back(option.name);
        }
        parsed_.diagnostics.back().nearest = nearest(key, names);
    }

    void named(const toml::table& table, Scope scope, const std::string& section) {
        for (const auto& [name_node, node] : table) {
            const std::string name(name_node.str());
            const Origin origin = origin_of(node);
            if (!node.is_table()) {
                error(origin, name,
                      fmt::format("[{}.{}] must be a table of options ({}:{})", section, name,
                                  origin.file, origin.line));
                continue;
            }
            parsed_.entries.push_back({scope, name, "", "", origin});
            options(*node.as_table(), scope, name);
        }
    }

    void options(const toml::table& table, Scope scope, const std::string& name) {
        for (const auto& [key, node] : table) {
            if (scope == Scope::kGlobal && key.str() == "hba") {
                hba(node);
            } else {
                value(scope, name, std::string(key.str()), node);
            }
        }
    }

    void value(Scope scope, const std::string& name, std::string key, const toml::node& node) {
        const Origin origin = origin_of(node);
        auto text = text_of(node);
        if (!text) {
            return error(origin, key,
                         fmt::format("invalid value for parameter {} in configuration ({}:{}): {}",
                                     key, origin.file, origin.line, text.error().message));
        }
        if (key == "password_file") {
            text = read_file(*text);
            if (!text) {
                return error(
                    origin, key,
                    fmt::format("{} ({}:{})", text.error().message, origin.file, origin.line));
            }
            while (text->ends_with('\n') || text->ends_with('\r')) {
                text->pop_back();
            }
            key = "password";
        }
        parsed_.entries.push_back({scope, name, std::move(key), std::move(*text), origin});
    }

    // Lines of rules, as one text or as an array of texts.
    void hba(const toml::node& node) {
        const Origin origin = origin_of(node);
        const auto add = [&](const toml::node& item) {
            if (const auto text = item.value<std::string>()) {
                parsed_.entries.push_back({Scope::kHba, "", "", *text, origin_of(item)});
            } else {
                error(origin_of(item), "hba",
                      fmt::format("hba must be a list of rules, each a text ({}:{})", origin.file,
                                  origin.line));
            }
        };
        if (const auto* array = node.as_array()) {
            for (const auto& item : *array) {
                add(item);
            }
        } else {
            add(node);
        }
    }

    Result<std::string> text_of(const toml::node& node) const {
        if (const auto* text = node.as_string()) {
            return expanded(text->get());
        }
        if (const auto* number = node.as_integer()) {
            return fmt::format("{}", number->get());
        }
        if (const auto* number = node.as_floating_point()) {
            return fmt::format("{}", number->get());
        }
        if (const auto* flag = node.as_boolean()) {
            return std::string(flag->get() ? "true" : "false");
        }
        if (const auto* array = node.as_array()) {
            std::string joined;
            for (const auto& item : *array) {
                if (item.is_array()) {
                    return fail(ErrorCode::kInvalidInput, "a list of lists is not expected");
                }
                TRY(const std::string text, text_of(item));
                joined.append(joined.empty() ? "" : ", ").append(text);
            }
            return joined;
        }
        return fail(ErrorCode::kInvalidInput, "a text, number, boolean or list is expected");
    }

    Result<std::string> expanded(std::string_view text) const {
        std::string result;
        while (true) {
            const std::size_t start = text.find("${");
            if (start == std::string_view::npos) {
                return result.append(text);
            }
            if (start > 0 && text[start - 1] == '$') {
                result.append(text.substr(0, start - 1)).append("${");
                text.remove_prefix(start + 2);
                continue;
            }
            const std::size_t end = text.find('}', start);
            if (end == std::string_view::npos) {
                return fail(ErrorCode::kInvalidInput, "closing } of ${ expected");
            }
            const std::string name(text.substr(start + 2, end - start - 2));
            const auto found = environment_ ? environment_(name) : std::nullopt;
            if (!found) {
                return fail(ErrorCode::kInvalidInput,
                            fmt::format("environment variable {} is not set", name));
            }
            result.append(text.substr(0, start)).append(*found);
            text.remove_prefix(end + 1);
        }
    }

    const std::string path_;
    const Environment& environment_;
    Parsed parsed_;
};

}  // namespace

Parsed parse_toml_text(std::string_view text, const std::string& path,
                       const Environment& environment) {
    Parsed parsed = TomlReader(path, environment).run(text);
    // toml++ sorts keys; mistakes are reported in the file's order.
    std::sort(parsed.diagnostics.begin(), parsed.diagnostics.end(),
              [](const Diagnostic& a, const Diagnostic& b) {
                  return std::tie(a.line, a.message) < std::tie(b.line, b.message);
              });
    return parsed;
}

Parsed parse_toml(const std::string& path, const Environment& environment) {
    const auto text = read_file(path);
    if (!text) {
        Parsed parsed;
        parsed.diagnostics.push_back(diagnose(Diagnostic::Severity::kError,
                                              {Origin::Kind::kFile, path, 0}, "",
                                              text.error().message));
        return parsed;
    }
    return parse_toml_text(*text, path, environment);
}

}  // namespace howdah::config
