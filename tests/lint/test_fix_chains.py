"""--fix where the order stands in a plan or in a chain of hashes: sqitch and graphile-migrate
themselves run what it writes, end in the same schema and go on from there."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from tests.lint.test_fix import DATA, FIRST, ROWS, SECOND, fix, lint
from tests.migrate.harness import npm_place
from tools import process
from tools.pgcluster import BIN, SUPERUSER

PLANNER = "Ann O'Ther <ann@example.org>"
REVERT = """DROP TABLE q;
ALTER TABLE t DROP CONSTRAINT d_known, DROP COLUMN e, DROP CONSTRAINT u, DROP CONSTRAINT t_a_fkey,
  DROP COLUMN c, ALTER b DROP NOT NULL;
ALTER TABLE p DROP CONSTRAINT p_code;
ALTER TABLE nokey DROP COLUMN y;
DROP PROCEDURE IF EXISTS howdah_backfill_t_c, howdah_backfill_nokey_y;
"""
VERIFY = """SELECT c, e FROM t WHERE false;
SELECT 1 / count(*) FROM pg_constraint WHERE conname = 'u';
"""
EXPECTED_ROWS = f"{ROWS}|{ROWS}|{ROWS}|none\n7000|7000|0|"


def rows(box) -> str:
    return box.sql("select count(*), count(distinct c), count(e), min(d) from t union all "
                   "select count(*), count(distinct y), 0, '' from nokey").strip()


def schema(box, tools: str) -> str:
    text = process.run([BIN / "pg_dump", "-h", box.server.sockets, "-p", str(box.server.port), "-U",
                        SUPERUSER, "-d", box.name, "--schema-only", f"--exclude-schema={tools}"])
    return "".join(line for line in text.splitlines(True) if not line.startswith("\\"))


def bad(findings):
    return [f for f in findings if f["risk"] == "high" or f["severity"] == "error"
            or f["rule"] in ("lock-timeout-missing", "data-change-in-schema-transaction",
                             "validate-in-same-transaction")]


# sqitch

def sqitch(box, *words, status=0) -> str:
    env = process.clean_environment() | {"PGHOST": box.server.sockets, "PGUSER": SUPERUSER,
                                         "PGPORT": str(box.server.port), "HOME": str(box.folder)}
    done = subprocess.run(["sqitch", *words, f"db:pg:{box.name}"], cwd=box.folder, env=env, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_sqitch(box, block: bool) -> None:
    box.write("sqitch.conf", f"[core]\n\tengine = pg\n[engine \"pg\"]\n\tclient = {BIN / 'psql'}\n"
              "[user]\n\tname = Ann O'Ther\n\temail = ann@example.org\n")
    plan = "%syntax-version=1.0.0\n%project=shop\n\n"
    for number, (name, text) in enumerate((("a", FIRST), ("b", SECOND))):
        requires = "" if name == "a" else "[a] "
        plan += f"{name} {requires}2024-01-0{number + 1}T00:00:00Z {PLANNER} # {name}\n"
        body = "\n".join(text)
        body = f"BEGIN;\n\n{body}\n\nCOMMIT;" if block else body
        head = f"-- Deploy shop:{name} to pg\n" + ("-- requires: a\n" if requires else "")
        box.write(f"deploy/{name}.sql", f"{head}\n{body}\n")
    box.write("revert/b.sql", f"-- Revert shop:b from pg\n\nBEGIN;\n{REVERT}COMMIT;\n")
    box.write("verify/b.sql", f"-- Verify shop:b on pg\n\nBEGIN;\n{VERIFY}ROLLBACK;\n")
    box.write("sqitch.plan", plan)


@pytest.mark.skipif(shutil.which("sqitch") is None, reason="sqitch is not installed")
@pytest.mark.parametrize("block", [True, False], ids=["one-transaction", "statement-by-statement"])
def test_sqitch_runs_verifies_and_reverts_the_parts(sandbox, block):
    write_sqitch(sandbox, block)
    sqitch(sandbox, "deploy", "--to-change", "a")
    before = schema(sandbox, "sqitch")
    sandbox.sql(DATA)
    sqitch(sandbox, "deploy", "--verify")
    wanted = schema(sandbox, "sqitch")
    assert rows(sandbox) == EXPECTED_ROWS
    sandbox.recreate()
    fix(sandbox, ".")
    assert bad(lint(sandbox, ".")["findings"]) == []
    assert (sandbox.folder / "deploy/b.sql").read_text().startswith(
        "-- Deploy shop:b to pg\n-- requires: a\n\n")
    sqitch(sandbox, "deploy", "--to-change", "a")
    sandbox.sql(DATA)
    said = sqitch(sandbox, "deploy", "--verify")
    assert "_index" in said and "_validate" in said
    assert schema(sandbox, "sqitch") == wanted
    assert rows(sandbox) == EXPECTED_ROWS
    assert sandbox.sql("select count(*) from pg_constraint where not convalidated") == "0"
    assert "Nothing to deploy" in sqitch(sandbox, "status")
    sqitch(sandbox, "verify")
    sqitch(sandbox, "revert", "--to-change", "a", "-y")
    assert schema(sandbox, "sqitch") == before
    assert " written\n" not in subprocess.run(
        [*sandbox.command("lint", ".", "--fix")[:-2]], cwd=sandbox.folder, capture_output=True,
        text=True).stdout, "a second run finds nothing to do"


def test_a_tagged_change_of_sqitch_stays(sandbox):
    write_sqitch(sandbox, True)
    plan = sandbox.folder / "sqitch.plan"
    plan.write_text(plan.read_text() + f"@v1 2024-01-03T00:00:00Z {PLANNER} # out\n")
    done = subprocess.run([*sandbox.command("lint", ".", "--fix")[:-2]], cwd=sandbox.folder,
                          capture_output=True, text=True)
    assert "a tag of sqitch.plan holds it" in done.stdout and " written\n" not in done.stdout


# graphile-migrate

def graphile_hash(body: str, previous: str) -> str:
    return "sha1:" + hashlib.sha1(f"{previous}\n{body.strip()}".strip().encode() + b"\n").hexdigest()


def commit(box, number: int, body: str, previous: str) -> str:
    mine = graphile_hash(body, previous)
    box.write(f"migrations/committed/{number:06}.sql",
              f"--! Previous: {previous or '-'}\n--! Hash: {mine}\n\n{body.strip()}\n")
    return mine


def graphile(box, *words, status=0) -> str:
    def url(name):
        return f"postgres://{SUPERUSER}:x@127.0.0.1:{box.server.port}/{name}"
    box.server.sql(f"alter role {SUPERUSER} password 'x'")
    box.write(".gmrc", json.dumps({"connectionString": url(box.name), "afterReset": [],
                                   "shadowConnectionString": url(box.name + "_shadow"),
                                   "rootConnectionString": url("postgres")}))
    env = process.clean_environment() | {"DATABASE_OWNER": SUPERUSER}
    done = subprocess.run([npm_place("graphile") / "node_modules/.bin/graphile-migrate", *words],
                          cwd=box.folder, env=env, text=True, capture_output=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_graphile_runs_the_parts_and_commits_the_next(sandbox):
    first = commit(sandbox, 1, "\n".join(FIRST), "")
    graphile(sandbox, "migrate")
    sandbox.sql(DATA)
    commit(sandbox, 2, "\n".join(SECOND), first)
    graphile(sandbox, "migrate")
    wanted = schema(sandbox, "graphile_migrate")
    assert rows(sandbox) == EXPECTED_ROWS
    sandbox.recreate()
    fix(sandbox, "migrations")
    assert bad(lint(sandbox, "migrations")["findings"]) == []
    committed = sandbox.folder / "migrations" / "committed"
    later = sorted(committed.glob("*.sql"))[1:]
    assert len(later) > 5 and later[0].name == "000002.sql"
    aside = sandbox.folder / "aside"
    aside.mkdir()
    for file in later:
        os.rename(file, aside / file.name)
    graphile(sandbox, "migrate")
    sandbox.sql(DATA)
    for file in later:
        os.rename(aside / file.name, file)
    graphile(sandbox, "migrate")
    assert schema(sandbox, "graphile_migrate") == wanted
    assert rows(sandbox) == EXPECTED_ROWS
    assert sandbox.sql("select count(*) from pg_constraint where not convalidated") == "0"
    graphile(sandbox, "status")
    sandbox.write("migrations/current.sql", "create table more (id bigint primary key);\n")
    graphile(sandbox, "commit")
    assert lint(sandbox, "migrations", "--fail-on", "error")["summary"]["files"] == len(later) + 2


def test_graphile_edited_and_unchained_files_are_found(sandbox):
    first = commit(sandbox, 1, "create table a (id bigint primary key);", "")
    commit(sandbox, 2, "create table b (id bigint primary key);", first)
    assert not [f for f in lint(sandbox, "migrations")["findings"] if "history" in f["rule"]]
    file = sandbox.folder / "migrations/committed/000002.sql"
    file.write_text(file.read_text().replace("table b", "table c"))
    edited, = [f for f in lint(sandbox, "migrations")["findings"] if "history" in f["rule"]]
    assert (edited["rule"], edited["line"]) == ("history-edited-file", 2)
    assert "tampered" in graphile(sandbox, "migrate", status=1), "so the tool itself says"
    commit(sandbox, 2, "create table b (id bigint primary key);", "sha1:0")
    unchained, = [f for f in lint(sandbox, "migrations")["findings"] if "history" in f["rule"]]
    assert (unchained["rule"], unchained["line"]) == ("history-broken-journal", 1)
