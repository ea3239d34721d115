// CodeJudge: the rules over one file's queries. Inside module insight.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "insight/code_analysis.hpp"
#include "insight/code_context.hpp"

namespace howdah::insight {

class CodeJudge {
  public:
    CodeJudge(const CodeProject& project, const Module& module, const SourceText& source,
              Analysis& out)
        : project_(project),
          module_(module),
          syntax_(module.syntax()),
          source_(source),
          out_(out),
          side_code_(is_side_code(module.file())) {}

    void judge();

  private:
    void judge_query(const CodeQuery& query);
    void judge_conditions(const CodeQuery& query);
    void judge_raw(const CodeQuery& query);
    void check_pasted(const CodeQuery& query);
    void check_fragment(const CodeQuery& query, const CodeQuery& fragment);
    void report(std::string_view rule, NodeId node, Notice notice = {});
    void demote(Finding& finding) const;
    std::optional<Live> live_of(const CodeQuery& query) const;
    void add_verdict(const CodeQuery& query, std::size_t first_finding);

    // code_rules_loops.cpp
    void check_loops(const CodeQuery& query);
    void report_loop(const CodeQuery& query, const Loop& loop, const CodeContext& context);
    void check_calls();
    void check_call(NodeId call, NodeId callee, const std::vector<NodeId>& inputs);
    void check_resolver(const CodeQuery& query, const CodeContext& context);
    void check_sequences();
    void check_sequence(const std::vector<NodeId>& statements);
    bool walks(const std::vector<NodeId>& inputs, NodeId call, const Loop& loop) const;
    bool comes_along(NodeId node, NodeId call, NodeId scope, int depth) const;
    bool is_pushed(NodeId call) const;
    bool in_case(NodeId call, const Loop& loop) const;
    bool is_batch(const CodeQuery& query, const Loop& loop) const;
    bool depends(const std::vector<NodeId>& inputs, NodeId scope) const;
    const CodeQuery* awaited_read(NodeId statement) const;

    // code_rules.cpp
    bool is_narrowed(const CodeQuery& query);
    static bool is_between(const CodeQuery& query);
    void check_pagination(const CodeQuery& query);
    void check_offset(const CodeQuery& query);
    void check_includes(const CodeQuery& query);
    void check_over_fetching(const CodeQuery& query);
    void check_missing_where(const CodeQuery& query);
    void check_wildcards(const CodeQuery& query);
    void check_alternatives(const CodeQuery& query);
    void check_index(const CodeQuery& query);
    void check_order_index(const CodeQuery& query);
    static bool arms_served(const CodeQuery& query, const Table& table);
    bool served(const CodeQuery& query, const Table& table, std::vector<std::string>& wanted,
                NodeId& first) const;
    static std::string index_fix(Orm orm, const Table& table,
                                 const std::vector<std::string>& columns);

    const CodeProject& project_;
    const Module& module_;
    const Syntax& syntax_;
    const SourceText& source_;
    Analysis& out_;
    bool side_code_;
    std::map<NodeId, const CodeQuery*> by_call_ = {};
    std::set<NodeId> in_loops_ = {};  // calls that were reported for their loop
};

}  // namespace howdah::insight
