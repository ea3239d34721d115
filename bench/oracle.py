"""./dev bench oracle: howdah lint and squawk against what PostgreSQL really does.

Each statement of the lock table (src/migrate/lint/lock_oracle.cases) runs on a throw-away server,
which shows whether it rewrites a table, or reads all its rows under a lock that stops writes. A
linter that says nothing about such a statement missed it; one that warns of another raised a false
alarm. Asked of howdah: none missed, two false alarms at most. squawk-cli comes from npm; it reads
one file at a time, so it is given the statement without what stands before. Its rules about style,
time limits, lost data and names are left out, as howdah's are.

    ./dev bench oracle
    ./dev bench oracle --list       with the statements
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from bench.lint import install_squawk
from tools import build
from tools.shell import BUILD, ROOT, Failed, say, warn

FALSE_ALARMS_MAX = 2
OTHER_MATTERS = ("prefer-", "ban-drop-", "renaming-", "identifier-", "require-timeout-settings",
                 "require-lock-timeout", "require-statement-timeout",
                 "ban-char-field", "ban-create-domain", "ban-alter-domain", "ban-truncate",
                 "transaction-nesting", "require-enum-value-ordering", "ban-uncommitted",
                 "ban-concurrent-index-creation-in-transaction", "require-table-schema",
                 "ban-truncate-cascade", "require-concurrent-index-deletion")


def observe(report: Path) -> list[dict]:
    """The statements with what the server showed and what howdah said."""
    build.build("release", ("pgtest_migrate",))
    program = BUILD / "release" / "src" / "migrate" / "pgtest_migrate"
    report.unlink(missing_ok=True)
    done = subprocess.run([program, "--gtest_filter=LockOracle.EveryStatementOfTheTable"], cwd=ROOT,
                          env=os.environ | {"HOWDAH_ORACLE_REPORT": str(report)}, text=True,
                          capture_output=True)
    if not report.exists():
        raise Failed(f"the lock oracle did not run: {done.stdout[-2000:]}")
    return json.loads(report.read_text())


def ask_squawk(squawk: Path, folder: Path, rows: list[dict]) -> None:
    """Adds what squawk says to each row."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, row in enumerate(rows):
        file = folder / f"{number:04}.sql"
        file.write_text(row["statement"] + ";\n")
        files.append(file.name)
    done = subprocess.run([squawk, "--pg-version", "15", "--reporter", "json", *files], cwd=folder,
                          capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise Failed(f"squawk ended with {done.returncode}: {done.stderr[:300]}")
    for row in rows:
        row["squawk"] = []
    for finding in json.loads(done.stdout):
        rule = finding["rule_name"]
        if not rule.startswith(OTHER_MATTERS):
            rows[int(Path(finding["file"]).stem)]["squawk"].append(rule)


def count(rows: list[dict], key: str) -> tuple[list[dict], list[dict]]:
    """(missed, false alarms)."""
    return ([row for row in rows if row["dangerous"] and not row[key]],
            [row for row in rows if not row["dangerous"] and row[key]])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--list", action="store_true", help="show the statements too")
    chosen = options.parse_args()
    rows = observe(BUILD / "bench-lint" / "oracle.json")
    linters = {"howdah": "rules"}
    if squawk := install_squawk(BUILD / "bench-lint" / "npm"):
        ask_squawk(squawk, BUILD / "bench-lint" / "oracle", rows)
        linters["squawk"] = "squawk"
    else:
        warn("squawk was not asked: it is not installed and npm could not get it")
    dangerous = sum(row["dangerous"] for row in rows)
    say(f"{len(rows)} statements, {dangerous} of them dangerous, on a live PostgreSQL")
    for name, key in linters.items():
        missed, false = count(rows, key)
        say(f"  {name:<8} {dangerous - len(missed):4} found {len(missed):4} missed "
            f"{len(false):4} false alarms")
        for kind, which in (("missed", missed), ("false alarm", false)):
            for row in which if chosen.list else ():
                said = ", ".join(row[key])
                say(f"    {kind}: {row['statement']}{' (' + said + ')' if said else ''}")
    missed, false = count(rows, "rules")
    good = not missed and len(false) <= FALSE_ALARMS_MAX
    say("goals held" if good else f"goals missed: none missed, {FALSE_ALARMS_MAX} false alarms")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
