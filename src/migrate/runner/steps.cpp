#include "migrate/runner/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "migrate/history/digest.hpp"
#include "sql/tokens.hpp"

namespace howdah::migrate::runner {
namespace {

constexpr std::string_view kBreakpoint = "--> statement-breakpoint";
constexpr std::string_view kBackfillMark = "howdah:backfill";

std::size_t lines_before(std::string_view text, std::size_t offset) {
    return static_cast<std::size_t>(
        std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
}

std::unexpected<Error> refuse(const ScriptText& script, std::size_t line, std::string message,
                              std::string hint) {
    return fail(Error(ErrorCode::kInvalidInput, "",
                      fmt::format("{}:{}: {}", script.file.string(), line, message),
                      std::move(hint)));
}

// The comments in front of a statement, if one of them is the backfill mark.
std::optional<BackfillHint> read_hint(std::string_view gap) {
    const std::size_t at = gap.rfind(kBackfillMark);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    BackfillHint hint;
    std::string_view rest = gap.substr(at + kBackfillMark.size());
    rest = rest.substr(0, rest.find('\n'));
    while (!rest.empty()) {
        const std::size_t begin = std::min(rest.find_first_not_of(" \t\r"), rest.size());
        const std::size_t end = std::min(rest.find_first_of(" \t\r", begin), rest.size());
        const std::string_view word = rest.substr(begin, end - begin);
        const std::size_t equals = word.find('=');
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
        if (word.starts_with("key=")) {
            hint.key = std::string(value);
        } else if (word.starts_with("batch=")) {
            std::from_chars(value.data(), value.data() + value.size(), hint.batch);
        } else if (word.starts_with("pause_ms=")) {
            std::from_chars(value.data(), value.data() + value.size(), hint.pause_ms);
        }
        rest.remove_prefix(end);
    }
    return hint;
}

struct Found {
    Statement statement;
    std::optional<BackfillHint> hint;
};

std::optional<std::size_t> meta_command(std::string_view text) {
    sql::Lexer lexer(text);
    for (sql::Token token = lexer.next_code(); token.kind != sql::TokenKind::kEnd;
         token = lexer.next_code()) {
        const std::size_t line_begin = text.rfind('\n', token.begin) + 1;  // npos + 1 = 0
        const bool first_of_line = text.find_first_not_of(" \t", line_begin) == token.begin;
        if (first_of_line && text[token.begin] == '\\') {
            return token.begin;
        }
    }
    return std::nullopt;
}

// One chunk between Drizzle's breakpoints (every other tool has a single one).
void read_chunk(std::string_view chunk, std::size_t first_line, std::vector<Found>& found) {
    std::size_t before = 0;
    for (const sql::Piece& piece : sql::split(chunk)) {
        Found one;
        one.statement.sql = std::string(chunk.substr(piece.begin, piece.end - piece.begin));
        one.statement.line = first_line + lines_before(chunk, piece.begin);
        one.statement.facts = facts_of(one.statement.sql);
        one.hint = read_hint(chunk.substr(before, piece.begin - before));
        before = piece.after;
        found.push_back(std::move(one));
    }
}

Result<std::vector<Found>> read_statements(const ScriptText& script) {
    if (script.sql.find('\0') != std::string::npos) {
        return refuse(script, 1, "a NUL byte in the text", "is this UTF-8?");
    }
    std::vector<Found> found;
    std::string_view text = script.sql;
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);
    }
    if (const auto meta = meta_command(text)) {
        return refuse(script, script.first_line + lines_before(text, *meta),
                      "a psql meta-command; the server does not know those",
                      "write it as SQL, or run the file with psql");
    }
    std::size_t begin = 0;
    for (;;) {
        const std::size_t end = std::min(text.find(kBreakpoint, begin), text.size());
        read_chunk(text.substr(begin, end - begin), script.first_line + lines_before(text, begin),
                   found);
        if (end == text.size()) {
            return found;
        }
        begin = end + kBreakpoint.size();
    }
}

bool is_block(std::string_view sql) {
    sql::Lexer lexer(sql);
    const sql::Token first = lexer.next_code();
    return sql::is_word(first, sql, "call") || sql::is_word(first, sql, "do");
}

class Planner {
  public:
    Planner(const ScriptText& script, TransactionScope scope)
        : script_(script),
          single_(scope == TransactionScope::kStatement || !script.in_transaction) {}

    Result<> add(Found found);
    Result<std::vector<Step>> finish();

  private:
    void close();
    void open();
    Result<> control(const Statement& statement);
    void apart(StepKind kind, Found found);
    void push(Statement statement);

    const ScriptText& script_;
    bool single_;               // every statement by itself
    bool explicit_ = false;     // between the file's own BEGIN and COMMIT
    bool lone_commit_ = false;  // COMMIT; ...; BEGIN: the file leaves its tool's transaction
    std::size_t begin_line_ = 0;
    bool open_ = false;
    std::string search_path_;   // "": as it was given
    std::string session_path_;  // what of it outlives the step
    std::vector<Step> steps_;
};

void Planner::close() {
    open_ = false;
    search_path_ = session_path_;  // SET LOCAL ends here
}

// Into the last step: its names are looked up where the statements before it say.
void Planner::push(Statement statement) {
    Facts& facts = statement.facts;
    for (Change& change : facts.changes) {
        change.search_path = search_path_;
    }
    if (facts.sets == "search_path") {
        search_path_ = session_path_ = facts.sets_to;
    } else if (!facts.sets_to.empty()) {
        search_path_ = facts.sets_to;
    }
    steps_.back().statements.push_back(std::move(statement));
}

void Planner::open() {
    if (!open_) {
        steps_.emplace_back();
        open_ = true;
    }
}

void Planner::apart(StepKind kind, Found found) {
    close();
    Step step;
    step.kind = kind;
    step.hint = found.hint.value_or(BackfillHint());
    steps_.push_back(std::move(step));
    push(std::move(found.statement));
}

Result<> Planner::control(const Statement& statement) {
    switch (statement.facts.control) {
        case Control::kBegin:
            close();
            explicit_ = true;
            begin_line_ = statement.line;
            open();
            steps_.back().begin = statement.sql;
            return {};
        case Control::kCommit:
            lone_commit_ |= !explicit_;
            explicit_ = false;
            close();
            return {};
        case Control::kRollback:
            return refuse(script_, statement.line,
                          "ROLLBACK in a migration: what is before it would be recorded as done",
                          "take out what must not run");
        case Control::kSavepoint:
        case Control::kNone:
            break;
    }
    return {};
}

Result<> Planner::add(Found found) {
    const Facts& facts = found.statement.facts;
    if (facts.copies_stdin) {
        return refuse(script_, found.statement.line,
                      "COPY FROM STDIN: its data is for psql, no migration tool sends it",
                      "use INSERT, or load the data apart");
    }
    if (facts.control != Control::kNone && facts.control != Control::kSavepoint) {
        return control(found.statement);
    }
    const bool updates =
        !facts.changes.empty() && (facts.changes.front().kind == ChangeKind::kUpdate ||
                                   facts.changes.front().kind == ChangeKind::kDelete);
    const bool backfill = found.hint.has_value() && updates;
    const bool lone_open = explicit_ && !lone_commit_;
    if ((facts.own_transaction || backfill) && lone_open) {
        return refuse(
            script_, found.statement.line,
            fmt::format("this cannot run inside the transaction that line {} begins", begin_line_),
            "move it behind the COMMIT, or into a file of its own");
    }
    // In a file that asks for no transaction, a block may hold COMMITs of its own.
    const bool block = !script_.in_transaction && !explicit_ && is_block(found.statement.sql);
    if (facts.own_transaction || block) {
        apart(StepKind::kAutocommit, std::move(found));
    } else if (backfill) {
        apart(StepKind::kBackfill, std::move(found));
    } else if (facts.apart && !explicit_) {
        apart(StepKind::kTransaction, std::move(found));
    } else {
        if (single_ && !explicit_) {
            close();
        }
        open();
        push(std::move(found.statement));
    }
    return {};
}

Result<std::vector<Step>> Planner::finish() {
    if (explicit_ && !lone_commit_) {
        return refuse(script_, begin_line_, "a transaction that the file does not COMMIT",
                      "add COMMIT, or take out BEGIN: howdah opens one per file");
    }
    std::erase_if(steps_, [](const Step& step) { return step.statements.empty(); });
    std::ranges::for_each(steps_, seal_step);
    return std::move(steps_);
}

}  // namespace

std::string_view step_kind_name(StepKind kind) {
    static constexpr std::array<std::string_view, 3> kStepNames{"transaction", "autocommit",
                                                                "backfill"};
    return kStepNames.at(static_cast<std::size_t>(kind));
}

void seal_step(Step& step) {
    std::string all(step_kind_name(step.kind));
    for (const Statement& statement : step.statements) {
        all += '\0' + statement.sql;
    }
    step.hash = sha256_hex(all);
}

Result<std::vector<Step>> plan_steps(const ScriptText& script, TransactionScope scope) {
    TRY(std::vector<Found> found, read_statements(script));
    Planner planner(script, scope);
    for (Found& one : found) {
        TRY_VOID(planner.add(std::move(one)));
    }
    return planner.finish();
}

}  // namespace howdah::migrate::runner
