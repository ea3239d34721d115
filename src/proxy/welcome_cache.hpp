// WelcomeCache: what the clients of a pool hear at their login. Most begin alike, so the last few
// welcomes are kept, by what they were made of. One loop.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "pool/commons.hpp"
#include "server/parameters.hpp"
#include "sql/text_rules.hpp"

namespace howdah::proxy {

struct Welcome {
    server::ParameterSetPtr view;  // what a server reports once it has what the client wants
    std::string statuses;          // `view` as ParameterStatus messages
    sql::TextRules rules;          // how the client's texts are read
};

class WelcomeCache {
  public:
    static constexpr std::size_t kSize = 8;

    // greeting: what a server reported at its own login. The reference is good until the next call.
    const Welcome& find(const std::shared_ptr<const pool::Greeting>& greeting,
                        const server::ParameterSetPtr& wanted,
                        server::ParameterInterner& parameters);

  private:
    // Holds what it was made of: no other object can have that address meanwhile.
    struct Entry {
        std::shared_ptr<const pool::Greeting> greeting;
        server::ParameterSetPtr wanted;
        Welcome welcome;
    };
    std::array<Entry, kSize> entries_;
    std::size_t oldest_ = 0;
};

// ParameterStatus messages of all values.
std::string parameter_statuses(const server::ParameterSet& reported);
// How a server that reports these values reads texts.
sql::TextRules text_rules(const server::ParameterSet& reported);

}  // namespace howdah::proxy
