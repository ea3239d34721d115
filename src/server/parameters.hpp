// ParameterSet: a session's parameter values, immutable and interned, so that two sessions with the
// same parameters share one object and comparing them is comparing pointers.
//
// 1. Names are lower case, sorted, each once. Values are as current_setting() gives them.
// 2. Sets of one ParameterInterner are equal exactly when their pointers are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace howdah::server {

struct ParameterSet {
    std::vector<std::pair<std::string, std::string>> values;
    // search_path names pg_temp: CREATE TABLE may make a temporary one.
    bool names_pg_temp = false;

    // The value of `name` (any case), or null.
    const std::string* find(std::string_view name) const;
};
using ParameterSetPtr = std::shared_ptr<const ParameterSet>;

class ParameterInterner {
  public:
    ParameterInterner();
    // Sorts, lowers and removes doubles (the last value wins).
    ParameterSetPtr intern(std::vector<std::pair<std::string, std::string>> values);
    // Takes names as they are, in their order: for what a server reports.
    ParameterSetPtr intern_exact(std::vector<std::pair<std::string, std::string>> values);
    const ParameterSetPtr& empty() const { return empty_; }
    // A copy of `base` with one value changed, added, or (null) taken out.
    ParameterSetPtr with(const ParameterSetPtr& base, std::string_view name,
                         const std::string* value);

  private:
    void sweep();
    std::unordered_multimap<std::size_t, std::weak_ptr<const ParameterSet>> sets_;
    std::size_t sweep_at_ = 64;
    ParameterSetPtr empty_;
};

// Parameters have names without case.
bool same_name(std::string_view a, std::string_view b);

// The statements that take a session from `from` to `to`: RESET of what is gone, set_config() of
// what is new or different, who the session acts as last. Empty when they are equal. Values are in
// the client encoding of `to` (of the server's default where it names none); the text is ASCII.
// after_resets: SQL that runs where something was reset, before the new values (connect_query).
std::string transition_sql(const ParameterSet& from, const ParameterSet& to,
                           std::string_view after_resets = {});
// The same from a session of which nothing is sure.
std::string reset_and_set_sql(const ParameterSet& to, std::string_view after_resets = {});
// A text in the session's client encoding, as an expression that is ASCII.
std::string expression_of(std::string_view value);

// 'it''s' with E'' where a backslash is inside; safe whatever standard_conforming_strings is.
std::string quote_literal(std::string_view value);
std::string quote_identifier(std::string_view name);

}  // namespace howdah::server
