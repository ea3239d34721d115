"""What howdah analyze says of a condition, held against the plans of a real server.

Random conditions over a table of 40,000 rows, some of its columns indexed. Where analyze finds
fault, the server reads the whole table for a few rows; where it finds none, the server does not;
and the index that it proposes is one that the server takes.
"""

import json
import random
import re
import subprocess

import pytest

from tools import process, proxy
from tools.pgcluster import SUPERUSER

QUERIES = 250
ROWS = 40_000
RULES = {"missing-index", "full-scan", "non-sargable", "leading-wildcard", "implicit-cast"}
TABLE = """
create table events (id bigint primary key, owner int, room int, code text, label text,
  made timestamptz, seen timestamptz, kind int, step int, done boolean);
create table rooms (id int primary key, name text, floor int);
insert into events select n, n % 2003, n % 1999, 'c' || n % 7919, 'l' || n % 7907,
  timestamptz '2026-01-01' + n * interval '1 minute', timestamptz '2026-01-01' + n * interval '1 minute',
  n % 1009, n % 997, n % 2 = 0 from generate_series(1, {rows}) n;
insert into rooms select n, 'r' || n, n % 7 from generate_series(1, 100) n;
create index on events (owner); create index on events (code); create index on events (made);
create index on events (kind, step); create index on events (lower(code));
create index on events (label text_pattern_ops) where done;
analyze events; analyze rooms;
"""
# condition -> nothing more is said of it here: the server and analyze are both asked
CONDITIONS = (
    "id = {n}", "owner = {n}", "room = {n}", "code = 'c{n}'", "label = 'l{n}'", "kind = {n}",
    "step = {n}", "kind = {n} and step = {n}", "owner in ({n}, 7, 9)", "room in ({n}, 7, 9)",
    "made > timestamptz '2026-01-28 17:00'", "seen > timestamptz '2026-01-28 17:00'",
    "lower(code) = 'c{n}'", "lower(label) = 'l{n}'", "code like '%{n}5'", "label like '%{n}5'",
    "owner + 1 = {n}", "room = {n}.0", "owner = {n}.0", "done and room = {n}", "done and owner = {n}",
    "(owner = {n} or code = 'c{n}')", "(owner = {n} or room = {n})", "room is null", "owner is null",
    "made::date = date '2026-01-05'", "owner = any(array[{n}, 3])", "abs(room) = {n}",
    "room between {n} and {n} + 1", "made between timestamptz '2026-01-02' and '2026-01-02 03:00'",
)

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer does not judge queries")


@pytest.fixture(scope="module")
def events(cluster, new_database):
    name = new_database("analyzed_plans")
    cluster.primary.sql(TABLE.format(rows=ROWS), name)
    return name


def queries(count):
    chance = random.Random(5)
    found = []
    for _ in range(count):
        parts = chance.sample(CONDITIONS, chance.choice((1, 1, 1, 2)))
        number = chance.randrange(900)
        where = " and ".join(part.format(n=number) for part in parts)
        found.append(f"select id, owner from events where {where};")
    return found


def plans_of(cluster, name, statements):
    """One plan for each statement that explains, in one session."""
    text = cluster.primary.sql(";".join(statements), name)
    decoder, plans = json.JSONDecoder(), []
    while text := text.lstrip():
        answer, end = decoder.raw_decode(text)
        plans.append(answer[0]["Plan"])
        text = text[end:]
    return plans


def reads_all(plan):
    """Whether a scan of the whole table drops most of what it reads."""
    scan = (plan["Node Type"].endswith("Seq Scan") and "Filter" in plan
            and plan.get("Relation Name") == "events" and plan["Plan Rows"] < ROWS / 10)
    return scan or any(reads_all(child) for child in plan.get("Plans", []))


def findings(folder, database, text):
    (folder / "q.sql").write_text(text)
    done = subprocess.run([str(proxy.program()), "analyze", "q.sql", "--database", database,
                           "--format", "json"], cwd=folder, capture_output=True, text=True,
                          timeout=120, env=process.clean_environment())
    assert done.returncode in (0, 1), done.stderr
    by_line = {}
    for finding in json.loads(done.stdout)["findings"]:
        if finding["rule"] in RULES:
            by_line.setdefault(finding["line"], []).append(finding)
    return by_line


def test_analyze_and_the_planner_agree(cluster, events, tmp_path):
    database = (f"host={cluster.primary.sockets} port={cluster.primary.port} user={SUPERUSER} "
                f"dbname={events}")
    asked = queries(QUERIES)
    found = findings(tmp_path, database, "\n".join(asked) + "\n")
    plans = plans_of(cluster, events, [f"explain (format json) {query[:-1]}" for query in asked])
    wrong = []
    flagged = 0
    for line, (query, plan) in enumerate(zip(asked, plans, strict=True), start=1):
        scan = reads_all(plan)
        flagged += line in found
        if scan != (line in found):
            wrong.append(f"{'missed' if scan else 'false'}: {query} "
                         f"{[finding['rule'] for finding in found.get(line, [])]}")
    assert 0 < flagged < QUERIES
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_server_takes_the_index_that_is_proposed(cluster, events, tmp_path):
    database = (f"host={cluster.primary.sockets} port={cluster.primary.port} user={SUPERUSER} "
                f"dbname={events}")
    asked = queries(QUERIES)
    tried = []
    statements = []
    for line, found in findings(tmp_path, database, "\n".join(asked) + "\n").items():
        fixes = [each["fix"] for each in found if each["rule"] == "missing-index"]
        if len(found) == 1 and fixes:
            fix = re.sub("(?i)concurrently ", "", fixes[0]).rstrip(";")
            tried.append(f"{asked[line - 1]} {fix}")
            statements += ["begin", fix, f"explain (format json) {asked[line - 1][:-1]}", "rollback"]
    assert len(tried) > 20
    plans = plans_of(cluster, events, statements)
    assert not [text for text, plan in zip(tried, plans, strict=True) if reads_all(plan)]


def test_small_tables_need_no_index(cluster, events, tmp_path):
    database = (f"host={cluster.primary.sockets} port={cluster.primary.port} user={SUPERUSER} "
                f"dbname={events}")
    text = "select id from rooms where name = 'r5';\nselect id from rooms where floor > 3;\n"
    assert findings(tmp_path, database, text) == {}
