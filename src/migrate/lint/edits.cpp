#include "migrate/lint/edits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/utf8.hpp"
#include "migrate/lint/fix.hpp"
#include "migrate/rules/rules.hpp"

namespace howdah::migrate::lint {
namespace {

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t bytes = utf8_character_bytes(text);
        if (bytes == 0) {
            return false;
        }
        text.remove_prefix(bytes);
    }
    return true;
}

bool inside_character(std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
}

// A place in a text, as people count: lines and characters from 1.
void place(std::string_view text, std::size_t at, std::uint32_t& line, std::uint32_t& column) {
    line = column = 1;
    for (std::size_t i = 0; i < at; ++i) {
        const bool ends = text[i] == '\n';
        line += ends ? 1 : 0;
        column = ends ? 1 : column + (inside_character(text, i) ? 0 : 1);
    }
}

// The least replacement that makes `after` of `before`.
Edit edit_of(const std::string& file, std::string_view before, std::string_view after) {
    const std::size_t least = std::min(before.size(), after.size());
    std::size_t front = 0;
    while (front < least && before[front] == after[front]) {
        ++front;
    }
    while (front > 0 && (inside_character(before, front) || inside_character(after, front))) {
        --front;
    }
    std::size_t back = 0;
    while (back < least - front &&
           before[before.size() - back - 1] == after[after.size() - back - 1]) {
        ++back;
    }
    while (back > 0 && (inside_character(before, before.size() - back) ||
                        inside_character(after, after.size() - back))) {
        --back;
    }
    Edit edit;
    edit.file = file;
    edit.begin = front;
    edit.end = before.size() - back;
    edit.text = after.substr(front, after.size() - front - back);
    place(before, edit.begin, edit.line, edit.column);
    place(before, edit.end, edit.end_line, edit.end_column);
    return edit;
}

// What is found, however often; the line that a message names may move.
using Told = std::map<std::string, int>;

std::string key_of(const Finding& finding) {
    std::string key = finding.rule + '\n' + finding.message;
    constexpr std::string_view kLine = "line ";
    for (std::size_t at = key.find(kLine); at != std::string::npos; at = key.find(kLine, at)) {
        at += kLine.size();
        const std::size_t end = std::min(key.find_first_not_of("0123456789", at), key.size());
        key.erase(at, end - at);
    }
    return key;
}

Told count(std::span<const Finding> findings) {
    Told told;
    for (const Finding& finding : findings) {
        ++told[key_of(finding)];
    }
    return told;
}

constexpr std::size_t kNowhere = std::string::npos;

// No text changes the rows: what a split runs fails on them just the same, a little later.
bool is_about_rows(const Finding& finding) {
    return finding.rule.ends_with("-may-fail-on-data");
}

// Finds edits for the findings of one file.
class Proposer {
  public:
    Proposer(const EditCall& call, std::span<Finding> findings)
        : call_(call),
          own_(call.input.project.files[call.file]),
          findings_(findings),
          told_(count(findings)),
          schema_(call.before.schema),
          actions_(read_actions(call.script, schema_, call.before.migrations + 1)) {}

    void run();

  private:
    struct Trial {
        std::vector<MigrationFile> files;
        std::map<std::string, std::string> texts;  // by path
    };

    FixInput fix_input() const {
        return {.script = call_.script,
                .actions = actions_,
                .schema = call_.before.schema,
                .tool = call_.input.project.tool};
    }
    std::size_t offset_of(const Finding& finding) const;
    std::size_t statement_at(std::size_t at) const;
    std::size_t index_of(const Finding& finding) const {
        return static_cast<std::size_t>(&finding - findings_.data());
    }
    void set_timeout(std::size_t place, std::string_view rule);
    void set_timeouts();
    void index_keys();
    void split_statements();
    void split_file();
    bool improves(Told after, std::vector<const Finding*>& settled) const;
    std::optional<Told> judge(const Trial& trial);
    Edit insertion(std::size_t at, std::string text) const;
    std::vector<const Finding*> settled_in_place(const std::vector<Edit>& edits);

    const EditCall& call_;
    const MigrationFile& own_;
    std::span<Finding> findings_;
    Told told_;
    Schema schema_;
    std::vector<Action> actions_;
    std::vector<std::size_t> places_;  // the statement of each finding; kNowhere
    std::size_t tried_ = 0;            // statements
};

// What the files of a trial would be told.
std::optional<Told> Proposer::judge(const Trial& trial) {
    if (tried_ > kTriedStatementsMax) {
        return std::nullopt;
    }
    const Project& project = call_.input.project;
    const Project changed{.tool = project.tool,
                          .tool_major = project.tool_major,
                          .tool_minor = project.tool_minor,
                          .folder = project.folder,
                          .files = trial.files,
                          .findings = {}};
    const LintInput input{
        .project = changed, .config = call_.input.config, .read = call_.input.read};
    History history = call_.before;
    LintResult result;
    for (std::size_t i = 0; i < changed.files.size(); ++i) {
        const Script script = read_script(trial.texts.at(changed.files[i].path), project.tool);
        judge_file(input, history, i, script, result);
        tried_ += script.statements.size();
    }
    return count(result.findings);
}

// Whether something went away and nothing came; `settled`: what went away, as far as it can be told
// from what is left.
bool Proposer::improves(Told after, std::vector<const Finding*>& settled) const {
    Told gone = told_;
    for (const auto& [key, times] : after) {
        const auto before = told_.find(key);
        if (before == told_.end() || before->second < times) {
            return false;
        }
        gone[key] -= times;
    }
    for (const Finding& finding : findings_) {
        if (gone.at(key_of(finding)) > 0 && !is_about_rows(finding)) {
            settled.push_back(&finding);
        }
    }
    return !settled.empty();
}

Edit Proposer::insertion(std::size_t at, std::string text) const {
    Edit edit{.file = own_.path, .begin = at, .end = at, .text = std::move(text)};
    place(call_.script.text, at, edit.line, edit.column);
    edit.end_line = edit.line;
    edit.end_column = edit.column;
    return edit;
}

// `edits`: of the file itself, from its front to its end.
std::vector<const Finding*> Proposer::settled_in_place(const std::vector<Edit>& edits) {
    std::string text = call_.script.text;
    for (auto edit = edits.rbegin(); edit != edits.rend(); ++edit) {
        text.replace(edit->begin, edit->end - edit->begin, edit->text);
    }
    std::vector<const Finding*> settled;
    const auto after = judge({.files = {own_}, .texts = {{own_.path, text}}});
    return after && improves(*after, settled) ? settled : std::vector<const Finding*>();
}

std::size_t Proposer::offset_of(const Finding& finding) const {
    const Script& script = call_.script;
    if (finding.line == 0 || finding.line > script.line_starts.size()) {
        return kNowhere;
    }
    std::size_t at = script.line_starts[finding.line - 1];
    for (std::uint32_t column = 1; column < finding.column && at < script.text.size(); ++column) {
        do {
            ++at;
        } while (inside_character(script.text, at));
    }
    return at;
}

std::size_t Proposer::statement_at(std::size_t at) const {
    const std::vector<sql::ScriptStatement>& statements = call_.script.statements;
    const auto next = std::ranges::upper_bound(statements, at, {}, &sql::ScriptStatement::begin);
    const bool inside = next != statements.begin() && at < std::prev(next)->end;
    return inside ? static_cast<std::size_t>(next - statements.begin()) - 1 : kNowhere;
}

// lock_timeout before the statement: for its transaction, or for the session and back to what it
// was behind the last statement. It may settle more than what it was put there for.
void Proposer::set_timeout(std::size_t place, std::string_view rule) {
    const std::string_view text = call_.script.text;
    const std::string separator(separator_of(call_.input.project.tool));
    const std::size_t begin = call_.script.statements[place].begin;
    const std::size_t last = call_.script.statements.back().end;
    const std::size_t next = text.find_first_not_of(" \t\r\n", last);
    const bool ended = next != std::string::npos && text[next] == ';';
    const std::string reset = (ended ? "" : ";") + separator + "RESET lock_timeout;";
    for (const bool local : {true, false}) {
        std::vector<Edit> edits{insertion(
            begin, fmt::format("SET {}lock_timeout = '2s';{}", local ? "LOCAL " : "", separator))};
        if (!local) {
            edits.push_back(insertion(ended ? next + 1 : last, reset));
        }
        const auto settled = settled_in_place(edits);
        const bool this_one = std::ranges::any_of(settled, [&](const Finding* finding) {
            return finding->rule == rule && places_[index_of(*finding)] == place;
        });
        if (!this_one) {
            continue;
        }
        for (const Finding* finding : settled) {
            Finding& own = findings_[index_of(*finding)];
            const bool its_own = own.rule == rule && places_[index_of(own)] != place;
            if (own.edits.empty() && !its_own) {
                own.edits = edits;
            }
        }
        return;
    }
}

void Proposer::set_timeouts() {
    for (const Rule* rule :
         {&rule_lock_timeout_missing, &rule_second_table_lock, &rule_trigger_change_blocks}) {
        for (std::size_t i = 0; i < findings_.size(); ++i) {
            const Finding& finding = findings_[i];
            if (finding.rule == rule->name && places_[i] != kNowhere && finding.edits.empty()) {
                set_timeout(places_[i], rule->name);
            }
        }
    }
}

// A new table's foreign key: its index behind the statement. That of a table in use is not built in
// place, and the trial says so.
void Proposer::index_keys() {
    const std::string_view text = call_.script.text;
    constexpr std::string_view kConcurrently = " CONCURRENTLY";
    for (std::size_t i = 0; i < findings_.size(); ++i) {
        Finding& finding = findings_[i];
        if (finding.rule != rule_foreign_key_without_index.name || places_[i] == kNowhere ||
            !finding.edits.empty()) {
            continue;
        }
        std::string sql = finding.fix;
        if (const std::size_t at = sql.find(kConcurrently); at != std::string::npos) {
            sql.erase(at, kConcurrently.size());
        }
        const std::size_t end = call_.script.statements[places_[i]].end;
        const std::size_t next = text.find_first_not_of(" \t\r\n", end);
        const bool ended = next != std::string::npos && text[next] == ';';
        std::size_t at = ended ? next + 1 : end;
        const std::size_t line_end = std::min(text.find('\n', at), text.size());
        const std::string_view rest = text.substr(at, line_end - at);
        const std::size_t dash = std::min(rest.find_first_not_of(" \t"), rest.size());
        if (ended && rest.substr(dash).starts_with("--") && !rest.substr(dash).starts_with("-->")) {
            at = line_end;  // a remark stays with its statement
        }
        const std::string separator(separator_of(call_.input.project.tool));
        sql.resize(sql.size() - (ended ? 0 : 1));
        std::vector<Edit> edits{insertion(at, (ended ? "" : ";") + separator + sql)};
        const auto settled = settled_in_place(edits);
        if (std::ranges::find(settled, &finding) != settled.end()) {
            finding.edits = std::move(edits);
        }
    }
}

// Each statement by itself, where one was found fault with.
void Proposer::split_statements() {
    std::set<std::size_t> wanted;
    for (std::size_t i = 0; i < findings_.size(); ++i) {
        if (findings_[i].edits.empty() && places_[i] != kNowhere) {
            wanted.insert(places_[i]);
        }
    }
    const std::string& text = call_.script.text;
    for (const std::size_t number : wanted) {
        const sql::ScriptStatement& statement = call_.script.statements[number];
        const std::string instead = split_in_place(fix_input(), number);
        if (instead.empty()) {
            continue;
        }
        const Edit edit =
            edit_of(own_.path, text,
                    text.substr(0, statement.begin) + instead + text.substr(statement.end));
        for (const Finding* settled : settled_in_place({edit})) {
            const std::size_t i = index_of(*settled);
            if (findings_[i].edits.empty() && places_[i] == number) {
                findings_[i].edits = {edit};
            }
        }
    }
}

// All that --fix would write, for what is left.
void Proposer::split_file() {
    const Project& project = call_.input.project;
    const bool open = std::ranges::any_of(
        findings_, [](const Finding& finding) { return finding.edits.empty(); });
    if (call_.file + 1 != project.files.size() || !open) {
        return;
    }
    std::vector<FixStep> steps = split_steps(fix_input());
    FixPlan plan;
    if (steps.empty() ||
        !place_steps(project, call_.file, call_.script, std::move(steps), plan).empty()) {
        return;
    }
    Trial trial;
    std::vector<Edit> edits;
    for (PlannedFile& file : plan.files) {
        file.before = file.path == own_.path ? call_.script.text : file.before;
        if (!is_utf8(file.before) || !is_utf8(file.after)) {
            return;
        }
        edits.push_back(edit_of(file.path, file.before, file.after));
        if (file.migration) {
            trial.files.push_back({.path = file.path,
                                   .name = file.path,
                                   .pending = own_.pending,
                                   .scope = file.scope});
            trial.texts[file.path] = file.after;
        }
    }
    std::vector<const Finding*> settled;
    const auto after = judge(trial);
    if (after && improves(*after, settled)) {
        for (Finding& finding : findings_) {
            if (finding.edits.empty() && !after->contains(key_of(finding)) &&
                !is_about_rows(finding)) {
                finding.edits = edits;
            }
        }
    }
}

void Proposer::run() {
    // Offsets in a text that was put together anew are not those of the file.
    if (findings_.empty() || !is_utf8(call_.script.text) ||
        std::ranges::any_of(call_.script.statements, [](const sql::ScriptStatement& statement) {
            return !statement.tree;
        })) {
        return;
    }
    for (const Finding& finding : findings_) {
        places_.push_back(statement_at(offset_of(finding)));
    }
    set_timeouts();
    index_keys();
    split_statements();
    split_file();
}

}  // namespace

bool may_edit(const Project& project, std::size_t file) {
    const MigrationFile& own = project.files[file];
    return own.judged && (own.named || own.pending || file + 1 == project.files.size());
}

void add_edits(const EditCall& call, std::span<Finding> findings) {
    Proposer(call, findings).run();
}

}  // namespace howdah::migrate::lint
