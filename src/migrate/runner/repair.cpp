// howdah migrate repair: finds what a cut run left, and writes down what a person has settled.
#include <fmt/format.h>

#include "migrate/runner/locks.hpp"
#include "migrate/runner/runner.hpp"

namespace howdah::migrate::runner {
namespace {

using Lines = std::vector<std::string>;

struct Scene {
    pg::Connection& db;
    HostTable& table;
    const Project& project;
};

Result<const Script*> named(const Scene& scene, const std::string& name) {
    const Script* script = scene.project.find(name);
    if (script == nullptr) {
        return fail(ErrorCode::kInvalidInput,
                    fmt::format("no migration '{}' in {}", name, scene.project.folder.string()));
    }
    return script;
}

Result<Standing> standing_of(const Scene& scene, const Script& script) {
    TRY(const History history, read_history(scene.db, scene.table, scene.project));
    const auto at = static_cast<std::size_t>(&script - scene.project.scripts.data());
    return history.standings[at];
}

Result<> forget(const Scene& scene, const Script& script) {
    TRY_VOID(Ledger::forget_steps(scene.db, {scene.table.name(), script.name, false}));
    return Ledger::forget_steps(scene.db, {scene.table.name(), script.name, true});
}

Result<Lines> mark_applied(const Scene& scene, const std::string& name, bool all_before) {
    TRY(const Script* last, named(scene, name));
    TRY_VOID(scene.table.adopt(scene.db, scene.project));
    TRY(pg::Transaction transaction, pg::Transaction::begin(scene.db));
    Lines lines;
    for (const Script& script : scene.project.scripts) {
        if (&script != last && !all_before) {
            continue;
        }
        TRY(const Standing standing, standing_of(scene, script));
        if (standing.state == ScriptState::kApplied) {
            lines.push_back(script.name + " was applied already");
        } else {
            TRY_VOID(forget(scene, script));
            TRY_VOID(scene.table.marked_applied(scene.db, script));
            lines.push_back(script.name + " counts as applied now");
        }
        if (&script == last) {
            break;
        }
    }
    TRY_VOID(transaction.commit());
    return lines;
}

Result<Lines> mark_rolled_back(const Scene& scene, const std::string& name) {
    TRY(const Script* script, named(scene, name));
    TRY(const Standing standing, standing_of(scene, *script));
    if (standing.state == ScriptState::kApplied) {
        return fail(Error(ErrorCode::kRefused, "",
                          fmt::format("{} is applied, not failed (Prisma P3012)", script->name),
                          "howdah migrate down undoes it"));
    }
    const Script* before = script == scene.project.scripts.data() ? nullptr : script - 1;
    TRY(pg::Transaction transaction, pg::Transaction::begin(scene.db));
    TRY_VOID(forget(scene, *script));
    if (standing.state == ScriptState::kFailed) {
        TRY_VOID(scene.table.undone(scene.db, *script, before));
    }
    TRY_VOID(transaction.commit());
    return Lines{script->name + " counts as not run now"};
}

Result<Lines> settle_step(const Scene& scene, const std::string& name, bool happened) {
    TRY(const Script* script, named(scene, name));
    const LedgerKey key{scene.table.name(), script->name, false};
    TRY(const std::vector<StepRow> rows, Ledger::steps(scene.db, key));
    for (const StepRow& row : rows) {
        if (row.done) {
            continue;
        }
        if (happened) {
            TRY_VOID(Ledger::step_done(scene.db, key, row.number, row.hash));
        } else {
            TRY_VOID(scene.db.execute(
                "delete from howdah.migration_step where host_table = $1 and migration = $2 and "
                "not down and step = $3::integer",
                {key.host_table, key.migration, std::to_string(row.number)}));
        }
        return Lines{fmt::format("step {} of {} {}", row.number + 1, name,
                                 happened ? "counts as done now" : "will run again")};
    }
    return fail(ErrorCode::kInvalidInput, fmt::format("no step of {} was cut", name));
}

Result<> diagnose_steps(const Scene& scene, Lines& lines) {
    TRY(const std::vector<LedgerKey> unfinished, Ledger::unfinished(scene.db, scene.table.name()));
    for (const LedgerKey& key : unfinished) {
        TRY(const std::vector<StepRow> rows, Ledger::steps(scene.db, key));
        for (const StepRow& row : rows) {
            lines.push_back(fmt::format("{}{}: step {} {} (begun {})", key.migration,
                                        key.down ? " (down)" : "", row.number + 1,
                                        row.done ? "is done" : "was begun and cut", row.begun_at));
        }
        lines.push_back(fmt::format("  howdah migrate {} goes on there", key.down ? "down" : "up"));
    }
    return {};
}

Result<> diagnose_failed(const Scene& scene, Lines& lines) {
    TRY(const History history, read_history(scene.db, scene.table, scene.project));
    for (std::size_t i = 0; i < history.standings.size(); ++i) {
        const Script& script = scene.project.scripts[i];
        TRY(const std::vector<StepRow> rows,
            Ledger::steps(scene.db, {scene.table.name(), script.name, false}));
        if (history.standings[i].state != ScriptState::kFailed || !rows.empty()) {
            continue;
        }
        const std::string& log = history.standings[i].log;
        lines.push_back(fmt::format("{} failed under another tool{}{}", script.name,
                                    log.empty() ? "" : ": ", log.substr(0, log.find('\n'))));
        lines.push_back(
            fmt::format("  all of it is there: howdah migrate repair --applied {}", script.name));
        lines.push_back(fmt::format("  none of it is:      howdah migrate repair --rolled-back {}",
                                    script.name));
    }
    return {};
}

Result<> diagnose_indexes(const Scene& scene, Lines& lines) {
    TRY(const pg::Rows rows,
        scene.db.query("select i.indexrelid::regclass, i.indrelid::regclass from pg_index i join "
                       "pg_class c on c.oid = i.indrelid where not i.indisvalid and c.relkind <> "
                       "'p' and not exists (select from pg_stat_progress_create_index p where "
                       "p.index_relid = i.indexrelid) order by 1"));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        lines.push_back(fmt::format("index {} on {} is invalid, left by a cut CONCURRENTLY",
                                    rows.text(i, 0), rows.text(i, 1)));
        lines.push_back(fmt::format("  DROP INDEX CONCURRENTLY {};", rows.text(i, 0)));
    }
    return {};
}

Result<Lines> diagnose(const Scene& scene) {
    Lines lines;
    TRY_VOID(diagnose_failed(scene, lines));
    TRY_VOID(diagnose_steps(scene, lines));
    TRY_VOID(diagnose_indexes(scene, lines));
    if (lines.empty()) {
        lines.emplace_back("nothing to repair");
    }
    return lines;
}

}  // namespace

Result<std::vector<std::string>> Runner::repair(const RepairOptions& options) {
    executor_.report_to(*narrator_, *interrupt_);
    const Scene scene{executor_.db(), *table_, project_};
    if (options.kind == RepairKind::kDiagnose) {
        return diagnose(scene);
    }
    TRY_VOID(
        take_run_locks(scene.db, lock_keys(), settings_.wait_for_lock, *narrator_, *interrupt_));
    const HeldLocks held(scene.db, lock_keys());
    TRY_VOID(Ledger::prepare(scene.db));
    switch (options.kind) {
        case RepairKind::kApplied:
            return mark_applied(scene, options.name, false);
        case RepairKind::kBaseline:
            return mark_applied(scene, options.name, true);
        case RepairKind::kRolledBack:
            return mark_rolled_back(scene, options.name);
        case RepairKind::kStepDone:
            return settle_step(scene, options.name, true);
        case RepairKind::kStepAgain:
            return settle_step(scene, options.name, false);
        case RepairKind::kDiagnose:
            break;
    }
    return fail(ErrorCode::kInternal, "unknown repair");
}

}  // namespace howdah::migrate::runner
