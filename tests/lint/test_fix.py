"""--fix: the files it writes are the tool's own, run, resume, lint clean and end in the same schema."""

import json
import subprocess

import pytest

from tests.migrate.harness import Sandbox, copy_tool
from tests.migrate.test_hosts import PRISMA_CONFIG, PRISMA_SCHEMA, DRIZZLE_CONFIG, SCHEMA_TS
from tests.migrate.test_hosts import Drizzle0, Drizzle1, Prisma
from tests.migrate.test_plain_tools import run_dbmate
from tools import process

ROWS = 12000
FIRST = ("CREATE TABLE p (id bigint PRIMARY KEY, code text);",
         "CREATE TABLE t (id bigint PRIMARY KEY, a bigint, b int, d text, UNIQUE (a));",
         "CREATE TABLE nokey (x int);")
DATA = (f"INSERT INTO t SELECT n, null, n, null FROM generate_series(1, {ROWS}) n;"
        "INSERT INTO p SELECT n, 'c' || n FROM generate_series(1, 10) n;"
        "INSERT INTO nokey SELECT n FROM generate_series(1, 7000) n;")
SECOND = ("CREATE INDEX t_b ON t (b);",
          "ALTER TABLE t ADD COLUMN c uuid NOT NULL DEFAULT gen_random_uuid(),\n  ALTER b SET NOT NULL;",
          "ALTER TABLE nokey ADD COLUMN y uuid DEFAULT gen_random_uuid();",
          "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p;",
          "ALTER TABLE t ADD CONSTRAINT u UNIQUE (b);",
          "ALTER TABLE p ADD CONSTRAINT p_code UNIQUE (code);",
          "-- every order names its product\nCREATE TABLE q (code text REFERENCES p (code), n int);",
          "ALTER TABLE t ADD COLUMN e text;",
          "UPDATE t SET e = 'e' || id, d = coalesce(d, 'none');",
          "ALTER TABLE t ALTER e SET NOT NULL;",
          "ALTER TABLE t ADD CONSTRAINT d_known CHECK (d <> '');",
          "DROP INDEX t_b;")

JOURNAL = {"version": "7", "dialect": "postgresql", "entries": [
    {"idx": n, "version": "7", "when": 1700000000000 + n, "tag": tag, "breakpoints": True}
    for n, tag in enumerate(("0000_a", "0001_b"))]}
BREAK = "\n--> statement-breakpoint\n"


def snapshot(number: int) -> str:
    return json.dumps({"id": f"0000000{number}-0000-4000-8000-000000000000",
                       "prevId": f"0000000{number - 1}-0000-4000-8000-000000000000",
                       "version": "7", "dialect": "postgresql", "tables": {}})


def drizzle0(box):
    box.write("drizzle/meta/_journal.json", json.dumps(JOURNAL, indent=2))
    for number, (tag, text) in enumerate((("0000_a", FIRST), ("0001_b", SECOND))):
        box.write(f"drizzle/{tag}.sql", BREAK.join(text) + "\n")
        box.write(f"drizzle/meta/{number:04}_snapshot.json", snapshot(number + 1))
    return "drizzle", "0000_a"


def drizzle1(box):
    for number, (name, text) in enumerate((("20240101000000_a", FIRST), ("20240102000000_b", SECOND))):
        box.write(f"drizzle/{name}/migration.sql", BREAK.join(text) + "\n")
        box.write(f"drizzle/{name}/snapshot.json", json.dumps({
            "id": f"0000000{number + 1}-0000-4000-8000-000000000000", "version": "8",
            "dialect": "postgres", "prevIds": [f"0000000{number}-0000-4000-8000-000000000000"],
            "ddl": [], "renames": []}))
    return "drizzle", "20240101000000_a"


def prisma(box):
    for name, text in (("20240101000000_a", FIRST), ("20240102000000_b", SECOND)):
        box.write(f"prisma/migrations/{name}/migration.sql", "\n".join(text) + "\n")
    box.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
    return "prisma/migrations", "20240101000000_a"


def flat(names, head="", tail="", first=""):
    def write(box):
        for name, text in zip(names, (FIRST, SECOND)):
            box.write(f"migrations/{name}", head + "\n".join(text) + "\n" + tail)
        return "migrations", first
    return write


LAYOUTS = {
    "drizzle0": drizzle0, "drizzle1": drizzle1, "prisma": prisma,
    "plain": flat(("0001_a.sql", "0002_b.sql"), first="0001_a.sql"),
    "golang-migrate": flat(("000001_a.up.sql", "000002_b.up.sql"), first="000001_a"),
    "goose": flat(("00001_a.sql", "00002_b.sql"), "-- +goose Up\n", "-- +goose Down\nSELECT 1;\n",
                  "00001_a.sql"),
    "dbmate": flat(("20240101000000_a.sql", "20240102000000_b.sql"), "-- migrate:up\n",
                   "\n-- migrate:down\n", "20240101000000_a.sql"),
    "flyway": flat(("V1__a.sql", "V2__b.sql"), first="V1__a.sql"),
}


def prepare(box, tool):
    folder, _ = LAYOUTS[tool](box)
    status = box.json("migrate", "status", folder)
    return folder, status["migrations"][0]["name"]


def apply_all(box, folder, first):
    """The first migration, rows, then the rest. What the schema is at the end, and the rows."""
    box.up(folder, "--to", first)
    box.sql(DATA)
    box.up(folder)
    rows = box.sql("select count(*), count(distinct c), count(e), min(d) from t union all "
                   "select count(*), count(distinct y), 0, '' from nokey")
    return box.dump(), rows


def lint(box, folder, *words):
    command = [word for word in box.command("lint", folder, *words, "--format", "json")]
    at = command.index("--database")
    done = subprocess.run(command[:at] + command[at + 2:], cwd=box.folder, capture_output=True,
                          text=True, timeout=120, env=process.clean_environment())
    return json.loads(done.stdout)


def fix(box, folder):
    command = box.command("lint", folder, "--fix")
    at = command.index("--database")
    done = subprocess.run(command[:at] + command[at + 2:], cwd=box.folder, capture_output=True,
                          text=True, timeout=120, env=process.clean_environment())
    assert done.returncode == 0 and " written\n" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("tool", LAYOUTS)
def test_same_schema_and_clean(sandbox, tool):
    folder, first = prepare(sandbox, tool)
    wanted, rows = apply_all(sandbox, folder, first)
    sandbox.recreate()
    fix(sandbox, folder)
    document = lint(sandbox, folder)
    bad = [f for f in document["findings"] if f["risk"] == "high" or f["severity"] == "error"
           or f["rule"] in ("lock-timeout-missing", "data-change-in-schema-transaction",
                            "validate-in-same-transaction")]
    assert bad == [], bad
    got, rows_then = apply_all(sandbox, folder, first)
    assert rows_then == rows == f"{ROWS}|{ROWS}|{ROWS}|none\n7000|7000|0|"
    assert got == wanted
    assert sandbox.sql("select count(*) from pg_constraint where not convalidated") == "0"
    assert sandbox.sql("select count(*) from pg_index where not indisvalid") == "0"
    assert sandbox.json("migrate", "status", folder)["pending"] == 0
    assert " written\n" not in subprocess.run(
        [*sandbox.command("lint", folder, "--fix")[:-2]], cwd=sandbox.folder, capture_output=True,
        text=True).stdout, "a second run finds nothing to do"


@pytest.mark.parametrize("host, tool", [(Drizzle0, "drizzle0"), (Drizzle1, "drizzle1"),
                                        (Prisma, "prisma")], ids=["drizzle0", "drizzle1", "prisma"])
def test_the_real_tool_takes_the_files_for_its_own(sandbox, host, tool):
    """howdah runs the fixed files; the tool finds nothing left, then generates and runs the next."""
    folder, first = prepare(sandbox, tool)
    fix(sandbox, folder)
    apply_all(sandbox, folder, first)
    one = host(sandbox)
    sandbox.server.sql("alter role postgres password 'x'")
    copy_tool(host.tool, sandbox.folder)
    if host is Prisma:
        sandbox.write("prisma/schema.prisma", PRISMA_SCHEMA)
        sandbox.write("prisma.config.ts", PRISMA_CONFIG)
    else:
        sandbox.write("schema.ts", SCHEMA_TS)
        sandbox.write("drizzle.config.ts", DRIZZLE_CONFIG)
    before = one.history()
    one.migrate()
    assert one.history() == before


def test_prisma_itself_runs_the_fixed_files(sandbox):
    folder, first = prepare(sandbox, "prisma")
    wanted, rows = apply_all(sandbox, folder, first)
    sandbox.recreate()
    fix(sandbox, folder)
    sandbox.up(folder, "--to", first)
    sandbox.sql(DATA)
    one = Prisma(sandbox)
    sandbox.server.sql("alter role postgres password 'x'")
    copy_tool("prisma", sandbox.folder)
    sandbox.write("prisma/schema.prisma", PRISMA_SCHEMA)
    sandbox.write("prisma.config.ts", PRISMA_CONFIG)
    one.migrate()
    assert sandbox.dump() == wanted
    assert sandbox.sql("select count(*), count(distinct c), count(e), min(d) from t") \
        == rows.splitlines()[0]


def test_dbmate_itself_runs_the_fixed_files(sandbox):
    folder, first = prepare(sandbox, "dbmate")
    wanted, rows = apply_all(sandbox, folder, first)
    sandbox.recreate()
    fix(sandbox, folder)
    sandbox.up(folder, "--to", first)
    sandbox.sql(DATA)
    sandbox.server.sql("alter role postgres password 'x'")
    run_dbmate(sandbox, "--migrations-dir", folder, "up")
    assert sandbox.dump() == wanted


@pytest.mark.parametrize("tool", ["plain", "goose"])
def test_cut_backfill_goes_on(sandbox, tool):
    """Each batch is committed: cut off and run again, it fills what is left."""
    folder, first = prepare(sandbox, tool)
    fix(sandbox, folder)
    sandbox.up(folder, "--to", first)
    sandbox.sql(DATA)
    sandbox.sql("create function cut() returns trigger language plpgsql as 'begin if new.id > 5000 "
                "then raise ''cut''; end if; return new; end'")
    sandbox.sql("create trigger cut before update on t for each row execute function cut()")
    failed = sandbox.up(folder, status=1)
    assert "cut" in failed.stderr
    assert sandbox.sql("select count(c) from t") == "5000"
    sandbox.sql("drop function cut() cascade")
    sandbox.up(folder)
    assert sandbox.sql("select count(distinct c) from t") == str(ROWS)
