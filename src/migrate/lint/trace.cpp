#include "migrate/lint/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "migrate/build_table.hpp"
#include "migrate/interpreter.hpp"
#include "migrate/lint/observe.hpp"

namespace howdah::migrate::lint {
namespace {

namespace json = boost::json;

const TableEffect* effect_on(const std::vector<TableEffect>& effects, const std::string& table) {
    const auto found = std::ranges::find(effects, table, &TableEffect::table);
    return found == effects.end() ? nullptr : &*found;
}

void compare_one(const Comparison& comparison, const std::string& table,
                 std::vector<std::string>& found) {
    const TableEffect none{.table = table};
    const TableEffect* observed = effect_on(comparison.observed, table);
    const TableEffect* predicted = effect_on(comparison.predicted, table);
    const TableEffect& is = observed == nullptr ? none : *observed;
    const TableEffect& said = predicted == nullptr ? none : *predicted;
    // ACCESS SHARE stops nobody but ACCESS EXCLUSIVE; what a server looks up on the way varies.
    // Rows that are written take ROW SHARE on the tables that their foreign keys name.
    const Lock unsaid = comparison.lenient.checks_body  ? Lock::kRowExclusive
                        : comparison.lenient.reads_rows ? Lock::kRowShare
                                                        : Lock::kAccessShare;
    const bool harmless =
        (said.lock == Lock::kNone && is.lock <= unsaid) ||
        // Partitions that hold no such row are not looked at, nor rows that point at none.
        (is.lock == Lock::kNone && said.second && said.lock <= Lock::kRowExclusive &&
         comparison.lenient.reads_rows);
    if (is.lock != said.lock && !harmless) {
        found.push_back(fmt::format("{}: predicted {}, observed {}", table, lock_name(said.lock),
                                    lock_name(is.lock)));
    }
    const auto differ = [&](std::string_view what, bool expected) {
        found.push_back(
            fmt::format("{}: {} {}", table, what,
                        expected ? "predicted, not observed" : "observed, not predicted"));
    };
    if (comparison.lenient.new_file || comparison.lenient.conditional) {
        return;
    }
    if (is.rewrite != said.rewrite) {
        differ("rewrite", said.rewrite);
    } else if (!said.rewrite && is.build != said.build) {
        differ("index build", said.build);
    }
    const bool reads = said.scan || said.build || said.rewrite;
    const bool through_index = comparison.lenient.index_lookups && said.scan && !is.scan;
    if (!comparison.lenient.reads_rows && is.scan != reads && !through_index) {
        differ("scan", reads);
    }
}

// Runs the statements of all files, one by one.
class Tracer {
  public:
    Tracer(const LintInput& input, pg::Connection& main, pg::Connection& side, TraceWhat what)
        : input_(input), main_(main), observer_(main, side), what_(what) {}

    Result<TraceResult> run() {
        for (std::size_t i = 0; i < input_.project.files.size(); ++i) {
            TRY_VOID(run_file(i));
        }
        return std::move(result_);
    }

  private:
    Result<> run_file(std::size_t index) {
        const MigrationFile& file = input_.project.files[index];
        TRY(std::string text, input_.read(file));
        const Script script = read_script(std::move(text), input_.project.tool);
        const bool runs = what_ == TraceWhat::kAll || file.pending;
        for (std::size_t n = 0; n < script.statements.size(); ++n) {
            const sql::ScriptStatement& statement = script.statements[n];
            if (!statement.tree || statement.tree->first() == nullptr) {
                continue;
            }
            TraceLine line{.file = file.path, .line = script.line_of(statement.begin)};
            const std::string sql(statement.in(script.clean));
            line.statement = sql.substr(0, std::min<std::size_t>(sql.find('\n'), 80));
            const StatementPlace place{
                .text = script.clean, .begin = statement.begin, .end = statement.end, .number = n};
            if (!runs) {
                Interpreter(schema_, migration_++)
                    .run(*statement.tree->first(), place, [](Action& /*action*/) {});
                continue;
            }
            const bool go_on = run_statement(*statement.tree->first(), place, line);
            ++result_.statements;
            ++migration_;  // what one statement made, the next finds in use
            result_.failed += line.error.empty() ? 0 : 1;
            result_.differing += line.differences.empty() ? 0 : 1;
            if (file.judged || !line.error.empty()) {
                result_.lines.push_back(std::move(line));
            }
            if (!go_on) {
                break;
            }
        }
        return {};
    }

    bool run_statement(const sql::Node& node, const StatementPlace& place, TraceLine& line) {
        bool boundary = false;
        bool own = false;
        bool may_be_absent = false;
        Comparison comparison{.predicted = line.predicted, .observed = line.observed};
        // A prediction sees a full table: what is fresh is judged as if it were not.
        Interpreter(schema_, migration_).run(node, place, [&](Action& action) {
            for (TableEffect effect : action.effects) {
                effect.fresh = false;
                if (effect.lock != Lock::kNone) {
                    add_effect(line.predicted, effect);
                }
            }
            boundary = boundary ||
                       (action.kind >= ActionKind::kBegin && action.kind <= ActionKind::kSavepoint);
            own = own || action.own_transaction_only;
            may_be_absent = may_be_absent || action.has(kIfExists);
            add_leniency(action, comparison.lenient);
        });
        if (boundary) {
            return true;  // each statement has a transaction of its own here
        }
        const std::string sql(place.text.substr(place.begin, place.end - place.begin));
        if (node.node_case == PG_QUERY__NODE__NODE_COPY_STMT && node.copy_stmt->is_from != 0 &&
            text_or(node.copy_stmt->filename).empty()) {
            return true;  // its data is for psql
        }
        if (may_be_absent) {
            std::erase_if(line.predicted,
                          [this](const TableEffect& effect) { return is_absent(effect.table); });
        }
        return own ? hold_up(sql, line) : observe(sql, comparison, line);
    }

    // IF EXISTS of what is not there locks nothing.
    bool is_absent(const std::string& table) {
        const auto rows = main_.query("select to_regclass($1)", {sql_name(table)});
        return rows && rows->size() == 1 && rows->is_null(0, 0);
    }

    bool observe(const std::string& sql, const Comparison& comparison, TraceLine& line) {
        auto seen = observer_.in_transaction(sql, true);
        if (!seen) {
            line.error = seen.error().message;
            return false;
        }
        line.observed = std::move(seen->effects);
        // Tables that this very statement made are nobody's business.
        std::erase_if(line.predicted, [&](const TableEffect& effect) {
            return effect.table.starts_with("(the table of");
        });
        line.differences = differences(comparison);
        return true;
    }

    bool hold_up(const std::string& sql, TraceLine& line) {
        line.held_up = true;
        if (line.predicted.empty() || line.predicted.front().table.starts_with('(')) {
            if (const auto ran = main_.execute(sql); !ran) {
                line.error = ran.error().message;
            }
            return line.error.empty();
        }
        const TableEffect& first = line.predicted.front();
        const auto lock = observer_.held_up(sql, first.table);
        if (!lock) {
            line.error = lock.error().message;
            return false;
        }
        line.observed.push_back({.table = first.table, .lock = *lock});
        if (*lock != first.lock && *lock != Lock::kNone) {
            line.differences.push_back(fmt::format("{}: predicted {}, observed {}", first.table,
                                                   lock_name(first.lock), lock_name(*lock)));
        }
        return true;
    }

    const LintInput& input_;
    pg::Connection& main_;
    Observer observer_;
    TraceWhat what_;
    Schema schema_;
    std::uint32_t migration_ = 1;
    TraceResult result_;
};

std::string show(const std::vector<TableEffect>& effects) {
    std::string text;
    for (const TableEffect& effect : effects) {
        text += fmt::format("{}{}: {}{}{}{}", text.empty() ? "" : "; ", effect.table,
                            lock_name(effect.lock), effect.rewrite ? ", rewrite" : "",
                            effect.build ? ", index build" : "", effect.scan ? ", scan" : "");
    }
    return text.empty() ? "nothing" : text;
}

json::array effects_json(const std::vector<TableEffect>& effects) {
    json::array list;
    for (const TableEffect& effect : effects) {
        list.push_back(json::object{{"table", effect.table},
                                    {"lock", lock_name(effect.lock)},
                                    {"scan", effect.scan},
                                    {"build", effect.build},
                                    {"rewrite", effect.rewrite}});
    }
    return list;
}

}  // namespace

std::vector<std::string> differences(const Comparison& comparison) {
    std::set<std::string> tables;
    for (const auto* effects : {&comparison.predicted, &comparison.observed}) {
        for (const TableEffect& effect : *effects) {
            tables.insert(effect.table);
        }
    }
    std::vector<std::string> found;
    for (const std::string& table : tables) {
        compare_one(comparison, table, found);
    }
    return found;
}

void add_leniency(const Action& action, Leniency& leniency) {
    const ActionKind kind = action.kind;
    leniency.reads_rows = leniency.reads_rows || kind >= ActionKind::kInsert ||
                          kind == ActionKind::kCreateTable || kind == ActionKind::kCreateMatview ||
                          kind == ActionKind::kRefresh;
    leniency.conditional = leniency.conditional || action.change == TypeChange::kIfUtc ||
                           action.change == TypeChange::kUnknown || action.has(kUnknownDefault);
    leniency.checks_body = leniency.checks_body || kind == ActionKind::kCreateFunction;
    leniency.new_file = leniency.new_file || kind == ActionKind::kTruncate;
    leniency.index_lookups = leniency.index_lookups || kind == ActionKind::kAlterType ||
                             action.constraint == ConstraintKind::kForeign ||
                             action.has(kInlineForeign);
}

Result<TraceResult> trace(const LintInput& input, const std::string& conninfo, TraceWhat what) {
    TRY(pg::Connection main, pg::Connection::connect({.conninfo = conninfo}));
    TRY(pg::Connection side, pg::Connection::connect({.conninfo = conninfo}));
    TRY_VOID(main.execute("set client_min_messages = error"));
    return Tracer(input, main, side, what).run();
}

std::string trace_text(const TraceResult& result, bool all) {
    std::string out;
    for (const TraceLine& line : result.lines) {
        if (line.differences.empty() && line.error.empty() && !all) {
            continue;
        }
        out += fmt::format("{}:{}: {}\n", line.file, line.line, line.statement);
        if (!line.error.empty()) {
            out += fmt::format("  refused:   {}\n", line.error);
        } else {
            out += fmt::format("  predicted: {}\n  observed:  {}\n", show(line.predicted),
                               show(line.observed));
        }
        for (const std::string& difference : line.differences) {
            out += fmt::format("  differs:   {}\n", difference);
        }
    }
    out += fmt::format("{} statements run, {} differ from the prediction, {} refused\n",
                       result.statements, result.differing, result.failed);
    return out;
}

std::string trace_json(const TraceResult& result) {
    json::array lines;
    for (const TraceLine& line : result.lines) {
        json::array different;
        for (const std::string& difference : line.differences) {
            different.emplace_back(difference);
        }
        lines.push_back(json::object{{"file", line.file},
                                     {"line", line.line},
                                     {"statement", line.statement},
                                     {"error", line.error},
                                     {"held_up", line.held_up},
                                     {"predicted", effects_json(line.predicted)},
                                     {"observed", effects_json(line.observed)},
                                     {"differences", std::move(different)}});
    }
    return json::serialize(json::object{{"schema", "howdah.trace/1"},
                                        {"summary", json::object{{"statements", result.statements},
                                                                 {"differing", result.differing},
                                                                 {"failed", result.failed}}},
                                        {"statements", std::move(lines)}}) +
           "\n";
}

}  // namespace howdah::migrate::lint
