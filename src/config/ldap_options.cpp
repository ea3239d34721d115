#include "config/ldap_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/hba_tokens.hpp"
#include "config/value.hpp"

namespace howdah::config {
namespace {

constexpr int kPortMax = 65535;
constexpr std::string_view kSecretKey = "ldapbindpasswd";

std::unexpected<Error> wrong(std::string message) {
    return fail(ErrorCode::kInvalidInput, std::move(message));
}

Result<int> parse_port(std::string_view text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > kPortMax) {
        return wrong(fmt::format("invalid LDAP port number: \"{}\"", text));
    }
    return port;
}

int hex_digit(char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

// nullopt: a % without two digits, or %00.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain.push_back(text[i]);
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0) {
            return std::nullopt;
        }
        plain.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return plain;
}

// The text up to `end`, which is taken off with it.
std::string_view cut(std::string_view& rest, char end) {
    const std::size_t at = std::min(rest.find(end), rest.size());
    const std::string_view piece = rest.substr(0, at);
    rest.remove_prefix(std::min(at + 1, rest.size()));
    return piece;
}

// Reads the pairs in their order: a later one wins.
class LdapReader {
  public:
    // `has_secret`: a word that is no option may be a part of the password.
    explicit LdapReader(bool has_secret) : has_secret_(has_secret) {}

    Result<> take(const std::string& key, const std::string& value) {
        static constexpr std::pair<std::string_view, std::string LdapOptions::*> kTexts[] = {
            {"ldapprefix", &LdapOptions::prefix},
            {"ldapsuffix", &LdapOptions::suffix},
            {"ldapbinddn", &LdapOptions::bind_dn},
            {"ldapsearchattribute", &LdapOptions::search_attribute},
            {"ldapsearchfilter", &LdapOptions::search_filter}};
        for (const auto& [name, field] : kTexts) {
            if (key == name) {
                options_.*field = value;
                return {};
            }
        }
        if (key == "ldapserver") {
            hosts_ = value;
        } else if (key == "ldapport") {
            TRY(port_, parse_port(value));
        } else if (key == "ldapscheme") {
            return take_scheme(value, "invalid ldapscheme value: \"{}\"");
        } else if (key == "ldaptls") {
            if (value != "0" && value != "1") {
                return wrong(fmt::format("invalid ldaptls value: \"{}\" (0 or 1)", value));
            }
            options_.start_tls = value == "1";
        } else if (key == "ldapbasedn") {
            options_.base_dn = value;
        } else if (key == "ldapbindpasswd") {
            options_.bind_password = Secret(std::string_view(value));
        } else if (key == "ldapurl") {
            return take_url(value);
        } else {
            const bool may_say = !has_secret_ || key.starts_with("ldap");
            return wrong(fmt::format("invalid LDAP option: \"{}\"", may_say ? key : "****"));
        }
        return {};
    }

    Result<LdapOptions> finish() {
        TRY_VOID(check());
        TRY_VOID(take_hosts());
        return std::move(options_);
    }

  private:
    Result<> take_scheme(std::string_view value, fmt::format_string<std::string_view&> complaint) {
        if (value != "ldap" && value != "ldaps") {
            return wrong(fmt::format(complaint, value));
        }
        options_.scheme = value;
        return {};
    }

    // RFC 4516: scheme://host:port/dn?attributes?scope?filter?extensions
    Result<> take_url(const std::string& url) {
        std::string_view rest = url;
        const std::size_t end = rest.find("://");
        const auto broken = [&url](std::string_view what) {
            return wrong(fmt::format("could not parse LDAP URL \"{}\": {}", url, what));
        };
        if (end == std::string_view::npos) {
            return broken("it does not begin with ldap:// or ldaps://");
        }
        TRY_VOID(take_scheme(rest.substr(0, end), "unsupported LDAP URL scheme: {}"));
        rest.remove_prefix(end + 3);
        const bool has_path = rest.find('/') != std::string_view::npos;
        hosts_ = cut(rest, '/');
        port_ = 0;
        if (!has_path) {
            return {};
        }
        std::array<std::string, 5> parts;
        for (std::string& part : parts) {
            auto plain = percent_decoded(cut(rest, '?'));
            if (!plain) {
                return broken("a % is not followed by two hexadecimal digits");
            }
            part = std::move(*plain);
        }
        if (!rest.empty()) {
            return broken("it has more than five parts");
        }
        auto& [dn, attributes, scope, filter, extensions] = parts;
        options_.base_dn = dn;
        options_.search_attribute = attributes.substr(0, attributes.find(','));
        options_.search_filter = filter;
        if (extensions.find('!') != std::string::npos) {
            return broken("extensions are not supported");
        }
        return take_scope(scope) ? Result<>() : broken("unknown scope");
    }

    bool take_scope(std::string_view scope) {
        static constexpr std::pair<std::string_view, LdapScope> kScopes[] = {
            {"", LdapScope::kBase},           {"base", LdapScope::kBase},
            {"one", LdapScope::kOneLevel},    {"onelevel", LdapScope::kOneLevel},
            {"sub", LdapScope::kSubtree},     {"subtree", LdapScope::kSubtree},
            {"subord", LdapScope::kChildren}, {"children", LdapScope::kChildren}};
        for (const auto& [name, value] : kScopes) {
            if (equal_ignoring_case(scope, name)) {
                options_.scope = value;
                return true;
            }
        }
        return false;
    }

    Result<> check() const {
        const bool names = !options_.prefix.empty() || !options_.suffix.empty();
        const bool searches = options_.searches() || !options_.bind_dn.empty() ||
                              !options_.bind_password.empty() ||
                              !options_.search_attribute.empty() || !options_.search_filter.empty();
        if (names && searches) {
            return wrong("cannot mix options for simple bind and search+bind modes");
        }
        if (!names && !options_.searches()) {
            return wrong(
                "authentication method \"ldap\" requires argument \"ldapbasedn\", \"ldapprefix\", "
                "or \"ldapsuffix\" to be set");
        }
        if (!options_.search_attribute.empty() && !options_.search_filter.empty()) {
            return wrong("cannot use ldapsearchattribute together with ldapsearchfilter");
        }
        if (options_.start_tls && options_.scheme == "ldaps") {
            return wrong("cannot use ldaptls together with ldaps");
        }
        return {};
    }

    // Every host with its port: its own, ldapport, or the scheme's.
    Result<> take_hosts() {
        if (port_ == 0) {
            port_ = options_.scheme == "ldaps" ? 636 : 389;
        }
        std::string_view rest = hosts_;
        while (!rest.empty()) {
            const std::string_view host = cut(rest, ' ');
            if (host.empty()) {
                continue;
            }
            const auto colons = std::ranges::count(host, ':');
            const bool bracketed = host.front() == '[';
            const bool with_port =
                bracketed ? host.find("]:") != std::string_view::npos : colons == 1;
            if (host.find_first_of("/?%,\\") != std::string_view::npos) {
                return wrong(fmt::format("invalid LDAP server: \"{}\"", host));
            }
            if (with_port) {
                TRY([[maybe_unused]] const int own, parse_port(host.substr(host.rfind(':') + 1)));
                options_.servers.emplace_back(host);
            } else {
                options_.servers.push_back(bracketed || colons == 0
                                               ? fmt::format("{}:{}", host, port_)
                                               : fmt::format("[{}]:{}", host, port_));
            }
        }
        if (options_.servers.empty() && (!options_.base_dn || options_.base_dn->empty())) {
            return wrong("LDAP server not specified, and no ldapbasedn");
        }
        return {};
    }

    const bool has_secret_;
    LdapOptions options_;
    std::string hosts_;
    int port_ = 0;
};

}  // namespace

std::string LdapOptions::server_text() const {
    return servers.empty() ? "DNS SRV" : fmt::format("{}", fmt::join(servers, " "));
}

Result<LdapOptions> parse_ldap_options(std::string_view text) {
    LdapReader reader(text.find(kSecretKey) != std::string_view::npos);
    for (const auto& [key, value] : parse_hba_options(text)) {
        TRY_VOID(reader.take(key, value));
    }
    return reader.finish();
}

std::string show_ldap_options(const std::string& text) {
    if (text.find(kSecretKey) == std::string::npos) {
        return text;
    }
    std::string shown;
    for (const auto& [key, value] : parse_hba_options(text)) {
        // A quote that is left out puts the password into another option's value, or into a key.
        const bool in_key = key.find(kSecretKey) != std::string::npos;
        const bool hidden = in_key || value.find(kSecretKey) != std::string::npos;
        shown += fmt::format("{}{}=\"{}\"", shown.empty() ? "" : " ", in_key ? kSecretKey : key,
                             hidden ? "****" : value);
    }
    return shown;
}

}  // namespace howdah::config
