#include "proxy/welcome_cache.hpp"

#include <algorithm>
#include <utility>

#include "wire/message.hpp"

namespace howdah::proxy {

const Welcome& WelcomeCache::find(const std::shared_ptr<const pool::Greeting>& greeting,
                                  const server::ParameterSetPtr& wanted,
                                  server::ParameterInterner& parameters) {
    const auto known = std::ranges::find_if(entries_, [&](const Entry& entry) {
        return entry.greeting == greeting && entry.wanted == wanted;
    });
    if (known != entries_.end()) {
        return known->welcome;
    }
    pool::Greeting values = *greeting;
    for (auto& [name, value] : values) {
        if (const std::string* other = wanted->find(name); other != nullptr) {
            value = *other;
        }
    }
    Entry& entry = entries_[std::exchange(oldest_, (oldest_ + 1) % kSize)];
    entry.greeting = greeting;
    entry.wanted = wanted;
    entry.welcome.view = parameters.intern_exact(std::move(values));
    entry.welcome.statuses = parameter_statuses(*entry.welcome.view);
    entry.welcome.rules = text_rules(*entry.welcome.view);
    return entry.welcome;
}

std::string parameter_statuses(const server::ParameterSet& reported) {
    wire::Encoder statuses;
    for (const auto& [name, value] : reported.values) {
        statuses.parameter_status(name, value);
    }
    return statuses.take();
}

sql::TextRules text_rules(const server::ParameterSet& reported) {
    sql::TextRules rules;
    for (const auto& [name, value] : reported.values) {
        if (name == "standard_conforming_strings") {
            rules.standard_conforming_strings = value == "on";
        } else if (name == "client_encoding") {
            if (value == "UTF8") {
                rules.encoding = sql::Encoding::kUtf8;
            } else if (value.starts_with("LATIN") || value.starts_with("WIN") ||
                       value.starts_with("ISO_8859") || value.starts_with("KOI8") ||
                       value.starts_with("EUC_") || value == "SQL_ASCII") {
                rules.encoding = sql::Encoding::kOneByte;
            } else {
                rules.encoding = sql::Encoding::kUnsafe;
            }
        }
    }
    return rules;
}

}  // namespace howdah::proxy
