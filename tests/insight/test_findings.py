"""Live findings in the console and over HTTP: each made on purpose, and what is seen of callers."""

import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.conftest import USER
from tests.observe.test_http import running, server_of
from tools import process, proxy
from tools.pgcluster import BIN, SUPERUSER

PATIENCE = 45
ALIAS = "insight_by_another_name"

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("insight")
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    server = server_of(cluster)
    with running(Path(run_folder) / "insight",
                 {database: server, ALIAS: f"{server} dbname={database}"}, pool_mode="transaction", slow_query_time="0.2", metrics_top_queries="3",
                 stats_users=USER, slow_query_explain=explain) as one:
        one.database = database
        yield one


def findings(watched, rule: str, **filters: str) -> list[dict]:
    query = "".join(f"&{name}={value}" for name, value in filters.items())
    return watched.get(f"/api/findings?rule={rule}{query}").json()["findings"]


def wait_for(watched, rule: str, **filters: str) -> dict:
    process.wait_until(lambda: findings(watched, rule, **filters), PATIENCE, rule, step=0.1)
    return findings(watched, rule, **filters)[0]


def console(watched, command: str) -> list[dict]:
    with psycopg.connect(watched.proxy.uri("howdah"), autocommit=True,
                         row_factory=psycopg.rows.dict_row) as connection:
        return psycopg.ClientCursor(connection, row_factory=psycopg.rows.dict_row) \
            .execute(command).fetchall()


def test_unbounded_list_and_star(watched):
    with watched.connect(watched.database, application_name="exporter") as connection:
        for _ in range(6):
            connection.execute("select * from interactions order by happened_at")
    found = wait_for(watched, "unbounded-result", application="exporter")
    assert "limit" in found["fix"].lower() and "interactions" in found["message"]
    assert [] == findings(watched, "unbounded-result", application="nobody")
    assert found["id"] == wait_for(watched, "unbounded-result", application="exporter")["id"]


def test_findings_by_each_caller(watched):
    route = "/*route='%%2Fexport'*/"
    with watched.connect(watched.database, application_name="filtered") as connection:
        for _ in range(6):
            connection.execute(f"select id, subject, body from interactions {route}", [])
    rule = "unbounded-result"
    found = wait_for(watched, rule, application="filtered")
    assert found["databases"] == [watched.database] and found["users"] == [USER]
    assert found["clients"] == ["127.0.0.1"]
    process.wait_until(lambda: findings(watched, rule, tag="/export"), PATIENCE, "its route")
    known = {"database": watched.database, "user": USER, "client": "127.0.0.1",
             "severity": found["severity"], "confidence": found["confidence"],
             "fingerprint": found["statements"][0], "search": "subject%2C+BODY"}
    assert [found["id"]] == [one["id"] for one in findings(
        watched, rule, application="filtered", **known)]
    for name in ("database", "user", "client", "severity", "confidence", "fingerprint", "search"):
        assert [] == findings(watched, rule, application="filtered", **{name: "nothing-like-it"})
    whole = watched.get("/api/findings?limit=500").json()
    pages = [watched.get(f"/api/findings?limit=1&offset={at}").json() for at in
             range(whole["total"] + 1)]
    assert [one["id"] for page in pages for one in page["findings"]] == \
        [one["id"] for one in whole["findings"]]


def test_deep_offset(watched):
    with watched.connect(watched.database) as connection:
        for page in range(8):
            connection.execute("select id from contacts order by id limit 5 offset %s",
                               [page * 400], prepare=True)
    assert "Keyset" in wait_for(watched, "deep-offset")["fix"]


def test_inlined_literals(watched):
    with watched.connect(watched.database) as connection:
        cursor = psycopg.ClientCursor(connection)
        for number in range(150):
            cursor.execute("select name from organizations where id = %s", [number])
    assert "$1" in wait_for(watched, "inlined-literals")["message"]


def test_write_loop_in_a_transaction(watched):
    with watched.connect(watched.database, application_name="importer") as connection:
        for turn in range(3):
            with connection.transaction():
                for number in range(8):
                    connection.execute("update leads set score = %s where id = %s",
                                       [turn, number + 1])
    found = wait_for(watched, "write-loop", application="importer")
    assert found["confidence"] == "certain" and "unnest" in found["fix"]


def test_idle_in_transaction(watched):
    with watched.connect(watched.database, application_name="dawdler") as connection:
        connection.execute("begin")
        connection.execute("select 1 from users")
        found = wait_for(watched, "idle-in-transaction", application="dawdler")
        assert "idle for up to" in found["evidence"]
        connection.execute("rollback")


def test_what_is_known_of_callers(watched):
    text = "select id from users where role = %s /*route='%%2Fpeople',controller='people'*/"
    with watched.connect(watched.database, application_name="people") as connection:
        for role in ("ADMIN", "REP", "ADMIN"):
            connection.execute(text, [role])
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute(text, ["NOBODY"])

    def known():
        rows = watched.get("/api/queries?application=people").json()["queries"]
        return rows and rows[0]["calls"] == 4 and rows[0].get("tags") and \
            "route=/people" in rows[0]["tags"][0]["name"] and rows
    process.wait_until(known, PATIENCE, "statistics")
    [row] = known()
    assert row["sqlstates"] == {"22P02": 1}
    assert [part["name"] for part in row["applications"]] == ["people"]
    assert [part["name"] for part in row["clients"]] == ["127.0.0.1"]
    assert 0 < row["server"]["p50"] <= row["server"]["p99"] <= row["server"]["max"]
    assert any(sample.startswith("text(") for sample in row["parameters"])
    tagged = watched.get("/api/queries?tag=/people").json()["queries"]
    assert [other["fingerprint"] for other in tagged] == [row["fingerprint"]]
    assert watched.get("/api/queries?database=elsewhere").json()["queries"] == []
    assert watched.get("/api/queries?colour=red").status == 400
    assert watched.get("/api/findings?limit=0").status == 400


def test_statistics_by_each_caller(watched):
    """Three statements, each filter finds its own, and pages of a filter do not overlap."""
    tags = {"route": "%%2Fcart", "controller": "carts", "action": "show",
            "framework": "express%%3A5", "db_framework": "knex", "job": "nightly"}
    comment = "/*" + ",".join(f"{key}='{value}'" for key, value in sorted(tags.items())) + "*/"
    trace = "/*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/"
    for name, tail in (("by-a", comment), ("by-b", trace), ("by-b", "")):
        with watched.connect(watched.database, application_name=name) as connection:
            for column in ("id", "email") if tail == comment else ("name",):
                connection.execute(f"select {column}, 1, 2 from users {tail}", [])

    def total(filters: str) -> int:
        return watched.get(f"/api/queries?search=%242+from+users&{filters}").json()["total"]
    def calls() -> int:
        rows = watched.get("/api/queries?search=%242+from+users").json()["queries"]
        return sum(row["calls"] for row in rows)
    process.wait_until(lambda: calls() == 4 and total("tag=nightly") == 2, PATIENCE, "statistics")
    assert total("application=by-b") == 1
    assert total("application=by-a") == 2 and total(f"database={watched.database}") == 3
    assert total(f"user={USER}") == 3 and total("user=nobody") == 0
    assert total("client=127.0.0.1") == 3 and total("client=10.0.0.1") == 0
    for tag in ("route=/cart", "/cart", "controller=carts", "action=show", "framework=express:5",
                "db_framework=knex", "job=nightly"):
        assert total(f"tag={quote(tag)}") == 2, tag
    assert total("tag=route=/other") == 0
    # A trace belongs to one request: it groups statements, and is kept nowhere.
    assert total("tag=traceparent") == 0
    assert "4bf92f3577b34da6" not in watched.get("/api/queries?limit=500").body
    [row] = watched.get("/api/queries?search=%242+from+users&application=by-b").json()["queries"]
    assert row["first_seen"] <= row["last_seen"] and row["calls"] == 2 and row["bytes_out"] > 0
    assert all(row[part]["p50"] <= row[part]["p99"] <= row[part]["max"] for part in
               ("queue", "server", "network"))
    pages = [watched.get(f"/api/queries?tag=/cart&limit=1&offset={at}").json() for at in (0, 1, 2)]
    assert [page["total"] for page in pages] == [2, 2, 2]
    found = [row["fingerprint"] for page in pages for row in page["queries"]]
    assert len(found) == len(set(found)) == 2


def test_lists_and_single_values_are_kept_apart(watched):
    with watched.connect(watched.database) as connection:
        connection.execute("select email from leads where id = %s", [1])
        connection.execute("select email from leads where id = any(%s)", [[1, 2]])
    process.wait_until(lambda: len(watched.queries("select+email+from+leads")) == 2, PATIENCE,
                       "two statements")


def test_console_has_queries_and_findings(watched):
    test_unbounded_list_and_star(watched)
    rows = console(watched, "show queries_full")
    assert any("interactions" in row["query"] for row in rows)
    assert all(float(row["p95_ms"]) <= float(row["max_ms"]) for row in rows)
    [found] = [row for row in console(watched, "show findings_full")
               if row["rule"] == "unbounded-result" and "exporter" in row["application_name"]]
    assert found["confidence"] == "certain" and re.fullmatch("[0-9a-f]{16}", found["id"])


def test_a_terminal_of_120_columns_has_room(watched):
    test_unbounded_list_and_star(watched)
    for command, words in (("show queries", "from interactions"), ("show findings", "Do: Add ORDER")):
        shown = subprocess.run([BIN / "psql", "-X", "-P", "pager=off", watched.proxy.uri("howdah"),
                                "-c", command], capture_output=True, text=True, check=True).stdout
        assert words in shown and "exporter" in shown
        assert max(map(len, shown.splitlines())) <= 120


def test_missing_index_has_its_plan(watched, cluster):
    cluster.primary.sql("create table visits as select n as id, n % 50000 as person_id from "
                        f"generate_series(1, 300000) n; analyze visits; grant select on visits to "
                        f"{USER}", watched.database)
    with watched.connect(watched.database, application_name="visitors") as connection:
        for number in range(12):
            connection.execute("select id from visits where person_id = %s", [number],
                               prepare=True)
    found = wait_for(watched, "missing-index", application="visitors", confidence="likely")
    assert found["fix"] == "create index concurrently on visits (person_id)"
    assert "Seq Scan on visits" in found["evidence"] and "reads 300000 rows" in found["evidence"]


def test_slow_statement_is_logged_with_its_plan(watched):
    with watched.connect(watched.database, application_name="slow-app") as connection:
        connection.execute("select pg_sleep(0.3), name from users where id = %s "
                           "/*route='%%2Fslow'*/", [1])
    log = Path(watched.proxy.log)

    def lines(word: str) -> list[str]:
        return [line for line in log.read_text().splitlines() if word in line]
    process.wait_until(lambda: [line for line in lines("slow statement") if "pg_sleep" in line],
                       PATIENCE, "slow statement")
    line = [line for line in lines("slow statement") if "pg_sleep" in line][0]
    assert "application=slow-app" in line and "$1" in line and "server 3" in line
    assert "tags=route=/slow" in line
    process.wait_until(lambda: lines("plan of"), PATIENCE, "plan")
    assert "users" in lines("plan of")[0]


def test_a_plan_is_asked_of_the_database_by_the_servers_name(watched):
    with watched.connect(ALIAS, application_name="by-alias") as connection:
        connection.execute("select pg_sleep(0.3), segment from organizations where id = %s", [1])
    log = Path(watched.proxy.log)

    def plans() -> list[str]:
        lines = log.read_text().splitlines()
        slow = [line for line in lines if "slow statement" in line and "by-alias" in line]
        fingerprint = re.search("fingerprint=([0-9a-f]+)", slow[0])[1] if slow else "none yet"
        return [line for line in lines if f"plan of fingerprint={fingerprint}" in line]
    process.wait_until(plans, PATIENCE, "plan")
    assert "organizations" in plans()[0], plans()


def test_top_statements_are_metrics_when_asked_for(watched):
    body = watched.get("/metrics").body
    rows = re.findall(r'howdah_statement_calls_total\{fingerprint="([^"]+)"\} (\d+)', body)
    assert len(rows) == 4 and "(other)" in dict(rows)


def test_switched_off_it_sees_nothing(run_folder, cluster, new_database):
    database = new_database("unseen")
    with running(Path(run_folder) / "unseen", {database: server_of(cluster)},
                 pool_mode="transaction", insight="0") as one:
        with one.connect(database) as connection:
            for _ in range(6):
                connection.execute("select * from interactions")
        process.wait_until(lambda: one.queries("interactions"), PATIENCE, "statistics")
        # Events are counted by the metrics as well: once they are, insight has had them too.
        process.wait_until(lambda: one.metric("howdah_queries_total", database=database) == 6,
                           PATIENCE, "events")
        assert one.get("/api/findings").json()["total"] == 0
        assert one.metric("howdah_tap_records_total", loop="0") == 0
