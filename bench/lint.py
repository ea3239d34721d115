"""./dev bench lint: howdah lint beside squawk, interleaved, on generated migrations.

1,000 files with 14,000 statements of the kinds that migrations are made of. The goal: 0.26 s for all
of them on two cores, 10 ms for one file. squawk-cli comes from npm into the build folder; without it
(no network) only howdah is measured, and the report says so.

    ./dev bench lint
    ./dev bench lint --rounds 3 --binary build/release/howdah
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tools.shell import BUILD, Failed, say, warn

FILES = 1000
STATEMENTS = 14000
GOAL_S = 0.26
GOAL_ONE_S = 0.010
SQUAWK = "squawk-cli@2"

TEMPLATES = (
    "CREATE TABLE {t}_{n} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,"
    " owner_id bigint REFERENCES {t} (id), made timestamptz NOT NULL DEFAULT now());",
    "ALTER TABLE {t} ADD COLUMN c{n} text;",
    "ALTER TABLE {t} ADD COLUMN c{n} integer NOT NULL DEFAULT 0;",
    "ALTER TABLE {t} ALTER COLUMN name TYPE varchar(200);",
    "ALTER TABLE {t} ALTER COLUMN name SET NOT NULL;",
    "ALTER TABLE {t} ADD CONSTRAINT k{n} FOREIGN KEY (owner_id) REFERENCES {u} (id);",
    "ALTER TABLE {t} ADD CONSTRAINT k{n} CHECK (id > 0) NOT VALID;",
    "CREATE INDEX i{n} ON {t} (name);",
    "CREATE INDEX CONCURRENTLY i{n} ON {t} (owner_id, made);",
    "DROP INDEX IF EXISTS i{n};",
    "INSERT INTO {t} (name, owner_id) VALUES ('a{n}', 1), ('b{n}', 2), ('it''s', NULL);",
    "UPDATE {t} SET name = upper(name) WHERE id BETWEEN {n} AND {n} + 1000;",
    "COMMENT ON TABLE {t} IS 'holds what {u} refers to, number {n}';",
    "CREATE OR REPLACE VIEW v{n} AS SELECT a.id, b.name FROM {t} a JOIN {u} b ON b.id = a.owner_id"
    " WHERE a.made > now() - interval '7 days' ORDER BY a.id;",
    "CREATE FUNCTION f{n}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
    "  NEW.name := lower(NEW.name);\n  RETURN NEW;\nEND $$;",
    "GRANT SELECT ON {t} TO readers;",
)


def generate(folder: Path) -> int:
    """Writes the corpus; the same one each time. Its statements."""
    draw = random.Random(14000)
    folder.mkdir(parents=True)
    count = 0
    for number in range(FILES):
        want = STATEMENTS * (number + 1) // FILES - count
        lines = []
        for _ in range(want):
            template = draw.choice(TEMPLATES)
            table, other = (f"table_{draw.randrange(60)}" for _ in range(2))
            lines.append(template.replace("{t}", table).replace("{u}", other).replace("{n}", str(count)))
            count += 1
        (folder / f"{number:04}_step.sql").write_text("\n".join(lines) + "\n")
    return count


def install_squawk(folder: Path) -> Path | None:
    if shutil.which("npm") is None:
        return None
    found = list(folder.glob("node_modules/@squawk-cli/*/bin/squawk*"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", SQUAWK],
                              cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            warn("npm cannot install squawk-cli: " + done.stderr.strip().splitlines()[-1][:200])
            return None
        found = [path for path in folder.glob("node_modules/@squawk-cli/*/**/squawk*")
                 if path.is_file() and os.access(path, os.X_OK)]
    return found[0] if found else None


class Run(NamedTuple):
    wall_s: float
    cpu_s: float
    rss_kib: int


def measure(command: list[str], cwd: Path) -> Run:
    """One run, started and waited for with as little of Python around it as can be."""
    os.chdir(cwd)
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise Failed(f"{' '.join(command[:6])} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--binary", default=str(BUILD / "release" / "howdah"))
    options.add_argument("--json", default="", help="write the figures there too")
    chosen = options.parse_args()
    out = Path(chosen.json).resolve() if chosen.json else None
    folder = BUILD / "bench-lint"
    shutil.rmtree(folder / "corpus", ignore_errors=True)
    statements = generate(folder / "corpus")
    binary = str(Path(chosen.binary).resolve())
    squawk = install_squawk(folder / "npm")
    names = sorted(path.name for path in (folder / "corpus").glob("*.sql"))
    cases = {"howdah": [binary, "lint", "."],
             "howdah, one file": [binary, "lint", "--transaction", "statement", "one.sql"]}
    one = folder / "one"
    shutil.rmtree(one, ignore_errors=True)
    one.mkdir(parents=True)
    shutil.copy(folder / "corpus" / names[0], one / "one.sql")
    if squawk:
        cases["squawk"] = [str(squawk), "--pg-version", "15", *names]
        cases["squawk, one file"] = [str(squawk), "--pg-version", "15", "one.sql"]
    results = {name: [] for name in cases}
    for _ in range(chosen.rounds):
        for name, command in cases.items():
            results[name].append(measure(command, one if "one" in name else folder / "corpus"))
    say(f"{FILES} files, {statements} statements, {os.cpu_count()} cores, medians of {chosen.rounds}")
    figures = {}
    for name, runs in results.items():
        wall, cpu, rss = (statistics.median(figure) for figure in zip(*runs))
        figures[name] = {"wall_s": wall, "cpu_s": cpu, "rss_kib": rss}
        say(f"  {name:<20} {wall * 1000:8.1f} ms   {cpu * 1000:8.1f} ms CPU {rss / 1024:8.1f} MiB")
    for name in ("howdah", "howdah, one file") if squawk else ():
        peer = figures[name.replace("howdah", "squawk")]
        say(f"  {name} takes {figures[name]['wall_s'] / peer['wall_s']:.2f} of squawk's time")
    if not squawk:
        warn("squawk was not measured: it is not installed and npm could not get it")
    if out:
        out.write_text(json.dumps({"schema": "howdah.bench.lint/1",
                                                 "figures": figures}) + "\n")
    good = (figures["howdah"]["wall_s"] <= GOAL_S
            and figures["howdah, one file"]["wall_s"] <= GOAL_ONE_S)
    say("goals held" if good else f"goals missed: {GOAL_S} s for all, {GOAL_ONE_S} s for one")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
