// Which parameters a text sets: SET, RESET and set_config(), by tokens. Pure.
//
// What it does not find is `bound` or `computed`, never left out: facts of kSetSession or kSetLocal
// with neither and no names set nothing that outlives the transaction.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/text_rules.hpp"

namespace howdah::sql {

struct ParameterNames {
    std::vector<std::string> names;  // in lower case; "all" of RESET ALL
    bool bound = false;              // set_config($1, ...): the name is among the values
    bool computed = false;           // a name that stands nowhere: an expression, U&"..."
    bool listed = false;             // UPDATE pg_settings: some that pg_settings lists
};

ParameterNames parameter_names(std::string_view text, TextRules rules = {});

// Whether a parameter may decide what a text means when it is parsed: its literals, its names. Only
// what is known not to is false; those with a dot belong to applications.
bool decides_meaning(std::string_view name);

}  // namespace howdah::sql
