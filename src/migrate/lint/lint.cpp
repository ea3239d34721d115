#include "migrate/lint/lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "migrate/build_table.hpp"
#include "migrate/interpreter.hpp"
#include "migrate/lint/edits.hpp"
#include "migrate/lint/read_ahead.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

// Judges one file: walks its statements, keeps its transactions, collects what the rules report.
class FileJudge : public Sink {
  public:
    FileJudge(const LintInput& input, History& history, std::size_t file, std::uint32_t migration)
        : input_(input),
          history_(history),
          schema_(history.schema),
          order_(history.order),
          file_(input.project.files[file]),
          file_index_(file),
          migration_(migration) {}

    void judge(const Script& script, LintResult& result);
    void add(Report report) override;

  private:
    void run_statement(std::size_t number);
    void see(Action& action);
    void note_setting(const Action& action);
    void close_transaction();
    void keep_ledger(std::vector<const Action*> actions);
    void report_unseen();
    void run_file_rules();
    void check_suppressions(LintResult& result);
    void keep_live(const Suppression& suppression, LintResult& result) const;
    bool suppress(const Finding& finding, std::size_t begin);
    void deliver(const Rule& rule, Report&& report);
    void verdict(LintResult& result);
    void keep_actions(LintResult& result);
    void carry_over();
    bool active(const Rule& rule) const;
    bool in_transaction() const { return explicit_block_ || (tool_block_ && !apart_); }
    void take_apart(const Action& action);

    const LintInput& input_;
    History& history_;
    Schema& schema_;
    LockOrder& order_;
    std::vector<LedgerTransaction> ledger_;
    const MigrationFile& file_;
    std::size_t file_index_;
    std::uint32_t migration_;
    const Script* script_ = nullptr;
    Setting setting_;
    bool tool_block_ = false;             // the tool's own or an implicit transaction
    bool implicit_ = false;               // one simple query
    bool runner_ = false;                 // howdah migrate's
    bool apart_ = false;                  // the statement runs outside of the runner's transaction
    bool explicit_block_ = false;         // BEGIN in the file
    bool session_timeout_ = false;        // lock_timeout by SET
    std::optional<bool> local_timeout_;   // by SET LOCAL
    std::optional<Schema> before_block_;  // where the file rolls back what it began
    std::vector<Action> actions_;
    std::size_t carried_ = 0;            // the first of actions_ are of files before
    std::size_t transaction_begin_ = 0;  // of actions_
    std::vector<Finding> findings_;
    const Rule* rule_ = nullptr;
    std::size_t suppressed_ = 0;
};

bool FileJudge::active(const Rule& rule) const {
    if (input_.config.disabled.contains(rule.name)) {
        return false;
    }
    return rule.on || input_.config.enabled.contains(rule.name);
}

void FileJudge::add(Report report) {
    deliver(*rule_, std::move(report));
}

bool FileJudge::suppress(const Finding& finding, std::size_t begin) {
    bool found = false;
    for (const Suppression& suppression : script_->suppressions) {
        if (std::ranges::find(suppression.rules, finding.rule) == suppression.rules.end()) {
            continue;
        }
        bool here = suppression.whole_file || script_->line_of(suppression.begin) == finding.line;
        if (!here && suppression.alone && suppression.begin < begin) {
            here = script_->line_of(suppression.begin) + 1 == finding.line;
            const auto next = std::ranges::find_if(script_->statements,
                                                   [&](const sql::ScriptStatement& statement) {
                                                       return statement.begin > suppression.end;
                                                   });
            here = here ||
                   (next != script_->statements.end() && next->begin <= begin && begin < next->end);
        }
        if (here && std::ranges::find(suppression.used, finding.rule) == suppression.used.end()) {
            suppression.used.push_back(finding.rule);
        }
        found = found || here;
    }
    return found;
}

void FileJudge::deliver(const Rule& rule, Report&& report) {
    const bool of_file_before = report.action != nullptr && carried_ > 0 &&
                                report.action >= actions_.data() &&
                                report.action < actions_.data() + carried_;
    if (!file_.judged || !active(rule) || of_file_before) {
        return;
    }
    Finding finding;
    finding.rule = rule.name;
    const auto severity = input_.config.severities.find(rule.name);
    finding.severity = severity != input_.config.severities.end() ? severity->second
                       : report.own_severity                      ? rule.severity
                                                                  : report.severity;
    finding.risk = report.risk != Risk::kNone ? report.risk : rule.risk;
    finding.file = file_.path;
    finding.line = script_->line_of(report.begin);
    finding.column = script_->column_of(report.begin);
    finding.source = script_->line_text(finding.line);
    const std::size_t line_end = script_->line_starts[finding.line - 1] + finding.source.size();
    const std::size_t caret_end = std::min(std::max(report.end, report.begin + 1), line_end);
    finding.caret_length = static_cast<std::uint32_t>(
        caret_end > report.begin ? script_->column_of(caret_end) - finding.column : 1);
    finding.message = std::move(report.message);
    finding.why = rule.why;
    finding.evidence = std::move(report.evidence);
    finding.fix = report.fix.empty() ? std::string(rule.fix) : std::move(report.fix);
    finding.confidence = std::move(report.confidence);
    if (report.action != nullptr) {
        finding.impact = describe_impact(*report.action);
    }
    if (suppress(finding, report.begin)) {
        ++suppressed_;
        return;
    }
    findings_.push_back(std::move(finding));
}

// "-- howdah:backfill" in front of the statement: the runner cuts it into batches.
bool is_batched(const Script& script, const Action& action) {
    if ((action.kind != ActionKind::kUpdate && action.kind != ActionKind::kDelete) ||
        action.nested || action.statement >= script.statements.size()) {
        return false;
    }
    const std::size_t from =
        action.statement == 0 ? 0 : script.statements[action.statement - 1].end;
    const std::size_t to = script.statements[action.statement].begin;
    return std::string_view(script.text).substr(from, to - from).find("-- howdah:backfill") !=
           std::string_view::npos;
}

// SET LOCAL ends with its transaction; outside of one it does nothing.
void FileJudge::note_setting(const Action& action) {
    const bool about = action.kind == ActionKind::kSet &&
                       (action.name == "lock_timeout" || action.name == kAllSettings);
    if (!about) {
        return;
    }
    const bool on = std::strtod(action.other.c_str(), nullptr) > 0;  // kDefaultValue is no number
    if (!action.has(kTemporary)) {
        session_timeout_ = on;
        local_timeout_.reset();
    } else if (in_transaction()) {
        local_timeout_ = on;
    }
}

// The runner commits before a statement that cannot stand in a transaction, and begins another
// behind it; a new enum value is committed before it is used, a backfill commits each batch.
void FileJudge::take_apart(const Action& action) {
    const bool lone = action.own_transaction_only || action.kind == ActionKind::kAddEnumValue ||
                      action.has(kBatched);
    if (runner_ && !explicit_block_ && !action.nested && lone && !apart_) {
        close_transaction();
        apart_ = true;
    }
}

void FileJudge::see(Action& action) {
    action.traits |= is_batched(*script_, action) ? kBatched : 0U;
    take_apart(action);
    note_setting(action);
    const bool in_force = local_timeout_.value_or(session_timeout_);
    action.traits |= in_force || input_.config.lock_timeout_by_runner ? kLockTimeout : 0U;
    const Step step{.action = action,
                    .schema = schema_,
                    .setting = setting_,
                    .in_transaction = in_transaction(),
                    .implicit_transaction = implicit_,
                    .tool_transaction = tool_block_ && !runner_,
                    .lock_timeout_set = action.has(kLockTimeout),
                    .file_name = file_.name};
    if (file_.judged) {
        for (const Rule* rule : all_rules()) {
            if (rule->step != nullptr) {
                rule_ = rule;
                rule->step(step, *this);
            }
        }
    }
    actions_.push_back(action);
    if (action.nested) {  // its tree dies with the block
        actions_.back().node = nullptr;
        actions_.back().column_def = nullptr;
        actions_.back().constraint_def = nullptr;
    }
}

void FileJudge::close_transaction() {
    if (transaction_begin_ == actions_.size()) {
        return;
    }
    Transaction run{.actions = {}, .schema = schema_, .explicit_block = explicit_block_};
    for (std::size_t i = transaction_begin_; i < actions_.size(); ++i) {
        run.actions.push_back(&actions_[i]);
    }
    transaction_begin_ = actions_.size();
    if (!file_.judged) {
        return;
    }
    for (const Rule* rule : all_rules()) {
        if (rule->transaction != nullptr) {
            rule_ = rule;
            rule->transaction(run, *this);
        }
    }
    keep_ledger(std::move(run.actions));
}

void FileJudge::keep_ledger(std::vector<const Action*> actions) {
    std::erase_if(actions,
                  [this](const Action* action) { return action < actions_.data() + carried_; });
    LedgerTransaction locked = read_ledger(actions, *script_);
    if (locked.locks.empty()) {
        return;
    }
    for (const LockOrder::Conflict& conflict : order_.add(locked, file_.name)) {
        deliver(rule_lock_order_differs,
                {.begin = conflict.at->begin,
                 .end = conflict.at->end,
                 .message = fmt::format("{} is locked after {}; {} locks them the other way round",
                                        conflict.second, conflict.first, conflict.where),
                 .action = conflict.at});
    }
    for (LedgerLock& lock : locked.locks) {
        lock.by = nullptr;
    }
    ledger_.push_back(std::move(locked));
}

bool rolls_back(const Script& script) {
    return std::ranges::any_of(script.statements, [](const sql::ScriptStatement& statement) {
        const sql::Node* node = statement.tree ? statement.tree->first() : nullptr;
        return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT &&
               node->transaction_stmt->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK;
    });
}

void FileJudge::run_statement(std::size_t number) {
    const sql::ScriptStatement& statement = script_->statements[number];
    if (!statement.tree) {
        const sql::ParseError& error = statement.tree.error();
        const std::size_t at = std::min(statement.begin + error.offset,
                                        script_->text.empty() ? 0 : script_->text.size() - 1);
        deliver(rule_syntax_error, {.begin = at, .end = at + 1, .message = error.message});
        return;
    }
    const sql::Node* node = statement.tree->first();
    if (node == nullptr) {
        return;
    }
    const bool begins = node->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT;
    if (begins && !explicit_block_ && rolls_back(*script_)) {
        before_block_ = schema_;
    }
    const std::size_t before = actions_.size();
    Interpreter interpreter(schema_, migration_);
    interpreter.run(
        *node,
        {.text = script_->clean, .begin = statement.begin, .end = statement.end, .number = number},
        [this](Action& action) { see(action); });
    const ActionKind kind = before < actions_.size() ? actions_[before].kind : ActionKind::kOther;
    if (kind == ActionKind::kBegin) {
        if (runner_ && !explicit_block_) {
            close_transaction();
        }
        if (!in_transaction() || implicit_ || runner_) {
            explicit_block_ = true;
        }
    } else if (kind == ActionKind::kCommit || kind == ActionKind::kRollback) {
        close_transaction();
        if (kind == ActionKind::kRollback && before_block_) {
            schema_ = std::move(*before_block_);
        }
        before_block_.reset();
        local_timeout_.reset();
        explicit_block_ = false;
    } else if (!in_transaction()) {
        close_transaction();
    }
    apart_ = false;
}

void FileJudge::report_unseen() {
    for (const Unseen& unseen : script_->unseen) {
        deliver(rule_dynamic_sql_not_seen,
                {.begin = unseen.begin,
                 .end = unseen.end,
                 .message = fmt::format("what \\{} runs is not in this file: it is not judged",
                                        unseen.command)});
    }
}

void FileJudge::run_file_rules() {
    const FileView view{.script = *script_,
                        .setting = setting_,
                        .actions = std::span(actions_).subspan(carried_),
                        .schema = schema_,
                        .file_name = file_.name,
                        .open_transaction = explicit_block_};
    for (const Rule* rule : all_rules()) {
        if (rule->file != nullptr) {
            rule_ = rule;
            rule->file(view, *this);
        }
    }
}

// Rules of `suppression` whose findings come later, from a database.
void FileJudge::keep_live(const Suppression& suppression, LintResult& result) const {
    for (const std::string& name : suppression.rules) {
        const Rule* rule = find_rule(name);
        if (rule == nullptr || !rule->live) {
            continue;
        }
        const std::uint32_t line = script_->line_of(suppression.begin);
        const auto next =
            std::ranges::find_if(script_->statements, [&](const sql::ScriptStatement& statement) {
                return statement.begin > suppression.end;
            });
        const bool covers_next = suppression.alone && next != script_->statements.end();
        result.live_suppressions.push_back(
            {.file = file_.path,
             .rule = name,
             .first_line = suppression.whole_file ? 0 : line,
             .last_line = covers_next ? script_->line_of(next->end) : line});
    }
}

// Each rule that a suppression names has to be good for something.
void FileJudge::check_suppressions(LintResult& result) {
    for (const Suppression& suppression : script_->suppressions) {
        keep_live(suppression, result);
        std::vector<std::string> messages;
        std::vector<std::string> idle;
        for (const std::string& name : suppression.rules) {
            const Rule* rule = find_rule(name);
            if (rule == nullptr) {
                messages.push_back("there is no rule " + name);
            } else if (!rule->live &&
                       std::ranges::find(suppression.used, name) == suppression.used.end()) {
                idle.push_back(name);
            }
        }
        if (suppression.rules.empty()) {
            messages.emplace_back("names no rule");
        }
        if (!idle.empty()) {
            messages.push_back(fmt::format("nothing here is found by {}", fmt::join(idle, ", ")));
        }
        for (std::string& message : messages) {
            deliver(rule_unused_suppression, {.begin = suppression.begin,
                                              .end = suppression.end,
                                              .message = std::move(message)});
        }
        if (messages.empty() && suppression.reason.empty() &&
            (input_.config.require_reason || active(rule_suppression_without_reason))) {
            deliver(rule_suppression_without_reason,
                    {.begin = suppression.begin,
                     .end = suppression.end,
                     .message = "say why: -- howdah-ignore rule -- reason"});
        }
    }
    result.suppressed += suppressed_;
}

void FileJudge::verdict(LintResult& result) {
    FileVerdict verdict{
        .file = file_.path, .statements = script_->statements.size(), .findings = findings_.size()};
    bool before = false;
    bool after = false;
    for (const Action& action : std::span(actions_).subspan(carried_)) {
        const DeployOrder order = deploy_order(action);
        before = before || order == DeployOrder::kBefore || order == DeployOrder::kTwoDeploys;
        after = after || order == DeployOrder::kAfter || order == DeployOrder::kTwoDeploys;
        const bool heavy = !action.fresh && (action.works() || blocks_reads(action.strongest()));
        if (heavy && verdict.impacts.size() < 5) {
            std::string impact = describe_impact(action);
            if (!impact.empty() &&
                std::ranges::find(verdict.impacts, impact) == verdict.impacts.end()) {
                verdict.impacts.push_back(std::move(impact));
            }
        }
    }
    verdict.order = before && after ? DeployOrder::kTwoDeploys
                    : before        ? DeployOrder::kBefore
                    : after         ? DeployOrder::kAfter
                                    : DeployOrder::kAny;
    for (const Finding& finding : findings_) {
        verdict.risk = std::max(verdict.risk, finding.risk);
    }
    verdict.transactions = std::move(ledger_);
    result.files.push_back(std::move(verdict));
}

// Without the nodes, whose trees end here.
void FileJudge::keep_actions(LintResult& result) {
    for (Action& action : std::span(actions_).subspan(carried_)) {
        JudgedAction kept{
            .file = file_index_, .action = {}, .line = script_->line_of(action.begin)};
        if (!action.nested) {
            kept.text = script_->clean.substr(action.begin, action.end - action.begin);
        }
        if (const PgQuery__Constraint* definition = action.constraint_def) {
            kept.referenced = strings_of(definition->pk_attrs, definition->n_pk_attrs);
        }
        action.node = nullptr;
        action.column_def = nullptr;
        action.constraint_def = nullptr;
        kept.action = action;
        result.actions.push_back(std::move(kept));
    }
}

void FileJudge::judge(const Script& script, LintResult& result) {
    script_ = &script;
    setting_ = {.tool = input_.project.tool,
                .postgres = input_.config.postgres,
                .requires_reason = input_.config.require_reason};
    const Scope scope = scope_of_file(input_, file_, script);
    implicit_ = scope == Scope::kOneQuery && script.statements.size() > 1;
    runner_ = scope == Scope::kRunner;
    tool_block_ = implicit_ || runner_ || scope == Scope::kFile || scope == Scope::kAllPending;
    const bool joined = file_.pending && scope == Scope::kAllPending;
    actions_ = joined ? std::move(history_.open) : std::vector<Action>();
    carried_ = actions_.size();
    for (std::size_t i = 0; i < script.statements.size(); ++i) {
        run_statement(i);
    }
    report_unseen();
    const bool open = explicit_block_;
    if (!open) {
        close_transaction();
    }
    result.statements += script.statements.size();
    if (file_.judged) {
        run_file_rules();
        if (open) {
            close_transaction();
        }
        check_suppressions(result);
        verdict(result);
        if (input_.keep_actions) {
            keep_actions(result);
        }
    }
    if (joined) {
        carry_over();
    }
    std::ranges::move(findings_, std::back_inserter(result.findings));
}

// The tool's transaction stays open behind the file: the next one's statements run under its locks.
void FileJudge::carry_over() {
    for (Action& action : actions_) {
        action.node = nullptr;
        action.column_def = nullptr;
        action.constraint_def = nullptr;
        action.statement = static_cast<std::size_t>(-1);
    }
    history_.open = std::move(actions_);
}

}  // namespace

// By pointers: a finding is half a kilobyte, and sorting moves each a dozen times.
void sort_findings(std::vector<Finding>& findings) {
    std::vector<Finding*> order;
    order.reserve(findings.size());
    for (Finding& finding : findings) {
        order.push_back(&finding);
    }
    std::ranges::sort(order, [](const Finding* a, const Finding* b) {
        return std::tie(b->risk, b->severity, a->file, a->line, a->column, a->rule, a->message) <
               std::tie(a->risk, a->severity, b->file, b->line, b->column, b->rule, b->message);
    });
    std::vector<Finding> sorted;
    sorted.reserve(findings.size());
    for (Finding* finding : order) {
        sorted.push_back(std::move(*finding));
    }
    findings = std::move(sorted);
}

void judge_file(const LintInput& input, History& history, std::size_t file, const Script& script,
                LintResult& result) {
    // Pending files of a tool that runs them in one transaction are one migration.
    const MigrationFile& own = input.project.files[file];
    const bool joined = own.pending && scope_of_file(input, own, script) == Scope::kAllPending;
    const std::uint32_t number = joined ? 1U : ++history.migrations;
    FileJudge(input, history, file, number).judge(script, result);
}

Result<LintResult> judge_project(const LintInput& input) {
    LintResult result;
    result.findings = input.project.findings;
    History history;
    ReadAhead ahead(input);
    for (std::size_t i = 0; i < input.project.files.size(); ++i) {
        TRY(const Script script, ahead.take(i));
        const bool editing = input.with_edits && may_edit(input.project, i);
        const History before = editing ? history : History();
        const std::size_t first = result.findings.size();
        judge_file(input, history, i, script, result);
        if (editing) {
            add_edits({.input = input, .before = before, .file = i, .script = script},
                      std::span(result.findings).subspan(first));
        }
    }
    sort_findings(result.findings);
    return result;
}

}  // namespace howdah::migrate::lint
