// CodeProject: TypeScript and JavaScript files as a whole: their queries, and the functions that
// send them, known across files.
//
// Built once from parsed modules, then read only: judge() may run on several threads at once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "insight/code_query.hpp"
#include "insight/live.hpp"
#include "insight/sql_analysis.hpp"

namespace howdah::insight {

// A function that sends a query whenever it is called, and which part of its input decides it.
struct QueryFunction {
    std::string file = {};
    std::uint32_t line = 0;
    std::string model = {};
    std::string method = {};
    bool write = false;
    bool depends = false;   // the query depends on the function's parameters
    bool batch = false;     // it takes many keys at once
    bool optional = false;  // in one arm of an if or switch: some calls do not send it
};

class CodeProject {
  public:
    // One file's queries and the functions that send them.
    struct Known {
        std::shared_ptr<const Module> module = nullptr;
        std::vector<CodeQuery> queries = {};
        std::map<NodeId, QueryFunction> functions = {};  // by function node
    };

    CodeProject(const Schema& schema, const LiveStats& live, const ModuleGraph& graph)
        : schema_(schema), live_(live), graph_(graph) {}

    // Any thread; add() makes it known to all files, one thread at a time.
    Known prepare(std::shared_ptr<const Module> module) const;
    void add(Known known);
    Analysis judge(const Module& module, const SourceText& source) const;

    const Schema& schema() const { return schema_; }
    const LiveStats& live() const { return live_; }
    const std::vector<CodeQuery>& queries(const Module& module) const;
    // What calling `callee` (a name, a method, a JSX tag) sends; nullptr: nothing that is known.
    const QueryFunction* function_called(const Module& module, NodeId callee) const;

  private:
    static void find_functions(Known& known);

    const Schema& schema_;
    const LiveStats& live_;
    const ModuleGraph& graph_;
    std::map<std::string, Known, std::less<>> files_;
};

// Files whose findings matter less: tests, seeds, scripts, migrations.
bool is_side_code(std::string_view path);
// Tests and what they read.
bool is_test_code(std::string_view path);

// Definitions by pgTable() and relations(): into `schema`, foreign keys with their places.
void read_drizzle_tables(const Module& module, const SourceText& source, Schema& schema);
void read_drizzle_relations(const Module& module, Schema& schema);
// Drizzle names the other table by its variable: after index_models() by its name.
void resolve_references(Schema& schema);

}  // namespace howdah::insight
