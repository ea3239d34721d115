// Rule: one thing that may be wrong with a migration. One file each under rules/, listed in
// rules/list.inc, with text cases beside it (rules/NAME.cases) and this text as its page of docs.
//
// Checks are pure. They see actions with their consequences (action.hpp), never trees alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/finding.hpp"
#include "migrate/action.hpp"
#include "migrate/lint/script.hpp"

namespace howdah::migrate::lint {

// What applies to a run of statements: the file's tool, and its transactions as they really are.
struct Setting {
    Tool tool = Tool::kPlain;
    int postgres = 15;  // major version
    bool requires_reason = false;
};

// One action where it stands.
struct Step {
    const Action& action;
    const Schema& schema;  // before the action
    const Setting& setting;
    bool in_transaction = false;        // a transaction block, the tool's or the file's own
    bool implicit_transaction = false;  // in one query string with others
    bool tool_transaction = false;      // the tool opened one around the file
    bool lock_timeout_set = false;      // by the file or the tool's settings, and not 0
    std::string_view file_name = {};
};

// One transaction, closed. Single statements in autocommit are transactions of one.
struct Transaction {
    std::vector<const Action*> actions;
    const Schema& schema;  // after it
    bool explicit_block = false;
};

struct FileView {
    const Script& script;
    const Setting& setting;
    std::span<const Action> actions;
    const Schema& schema;  // after the file
    std::string_view file_name;
    bool open_transaction = false;  // at the end of the file

    // Whether the foreign key `constraint` was written in the CREATE TABLE of this action.
    bool named_in(const Action& action, std::string_view constraint) const;
};

// When the file may run, seen from the application's deploy.
enum class DeployOrder : std::uint8_t { kAny, kBefore, kAfter, kTwoDeploys };
DeployOrder deploy_order(const Action& action);
std::string_view deploy_order_name(DeployOrder order);

// One finding before its place is looked up.
struct Report {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string message = {};
    std::string fix = {};  // empty: the rule's own
    std::string evidence = {};
    std::string confidence = "certain";
    const Action* action = nullptr;  // for the impact line
    Risk risk = Risk::kNone;         // kNone: the rule's own
    Severity severity = Severity::kInfo;
    bool own_severity = true;  // false: `severity` counts
};

class Sink {
  public:
    virtual ~Sink() = default;
    virtual void add(Report report) = 0;
    // At the action's place.
    void at(const Action& action, std::string message, std::string fix = {});
};

struct Rule {
    std::string_view name;
    std::string_view title;
    Severity severity = Severity::kWarning;
    Risk risk = Risk::kMedium;
    std::string_view why;
    std::string_view fix;
    std::string_view versions = "All supported versions of PostgreSQL.";
    std::string_view flagged = "";  // an example that is reported
    std::string_view clean = "";    // the same, done safely
    bool on = true;                 // by default
    bool live = false;              // only a database, or live traffic, can find it
    void (*step)(const Step&, Sink&) = nullptr;
    void (*transaction)(const Transaction&, Sink&) = nullptr;
    void (*file)(const FileView&, Sink&) = nullptr;
};

// Every rule, by name.
std::span<const Rule* const> all_rules();
const Rule* find_rule(std::string_view name);

// "users", or "users and 3 partitions".
std::string describe_tables(const Action& action);
// "ACCESS EXCLUSIVE on users (blocks reads and writes); writes the table and its indexes anew"
std::string describe_impact(const Action& action);
// Name as SQL: quoted where it must be.
std::string sql_name(std::string_view name);
// Columns joined as SQL.
std::string sql_names(const std::vector<std::string>& names);

}  // namespace howdah::migrate::lint
