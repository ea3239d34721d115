"""Live findings in the console and over HTTP: each made on purpose, and what is seen of callers."""

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.observe.test_http import running, server_of
from tools import process, proxy
from tools.pgcluster import SUPERUSER

PATIENCE = 45

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("insight")
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    with running(Path(run_folder) / "insight", {database: server_of(cluster)},
                 pool_mode="transaction", slow_query_time="0.2", metrics_top_queries="3",
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
        return rows and rows[0].get("tags") and "route=/people" in rows[0]["tags"][0]["name"] \
            and rows
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


def test_lists_and_single_values_are_kept_apart(watched):
    with watched.connect(watched.database) as connection:
        connection.execute("select email from leads where id = %s", [1])
        connection.execute("select email from leads where id = any(%s)", [[1, 2]])
    process.wait_until(lambda: len(watched.queries("select+email+from+leads")) == 2, PATIENCE,
                       "two statements")


def test_console_has_queries_and_findings(watched):
    test_unbounded_list_and_star(watched)
    rows = console(watched, "show queries")
    assert any("interactions" in row["query"] for row in rows)
    assert all(float(row["p95_ms"]) <= float(row["max_ms"]) for row in rows)
    [found] = [row for row in console(watched, "show findings")
               if row["rule"] == "unbounded-result" and "exporter" in row["application_name"]]
    assert found["confidence"] == "certain" and re.fullmatch("[0-9a-f]{16}", found["id"])


def test_slow_statement_is_logged_with_its_plan(watched):
    with watched.connect(watched.database, application_name="slow-app") as connection:
        connection.execute("select pg_sleep(0.3), name from users where id = %s", [1])
    log = Path(watched.proxy.log)

    def lines(word: str) -> list[str]:
        return [line for line in log.read_text().splitlines() if word in line]
    process.wait_until(lambda: [line for line in lines("slow statement") if "pg_sleep" in line],
                       PATIENCE, "slow statement")
    line = [line for line in lines("slow statement") if "pg_sleep" in line][0]
    assert "application=slow-app" in line and "$1" in line and "server 3" in line
    process.wait_until(lambda: lines("plan of"), PATIENCE, "plan")
    assert "users" in lines("plan of")[0]


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


CANARIES = {"literal": "CANARYLITERAL", "number": "7263548190", "bind": "CANARYBIND",
            "comment": "CANARYCOMMENT", "tag": "CANARYTAG", "copy": "CANARYCOPY",
            "error": "CANARYERROR", "password": "CANARYPASSWORD"}


def test_no_value_appears_anywhere(watched, cluster):
    """Planted wherever a value can stand; looked for in every answer and in the log."""
    one = CANARIES
    with watched.connect(watched.database, application_name="redacted") as connection:
        literal = psycopg.ClientCursor(connection)
        for turn in range(6):
            literal.execute(f"select '{one['literal']}{turn}', {one['number']}{turn} from users")
            connection.execute("select pg_sleep(0.21), %s::text from users limit 1",
                               [f"{one['bind']}{turn}"])
            connection.execute(f"select 2 /* {one['comment']} */ from users limit 1 "
                               f"/*email='{one['tag']}',route='%2Fr'*/".replace("%", "%%"), [])
            for _ in range(6):
                connection.execute("select name from users where email = %s",
                                   [f"{one['bind']}{turn}{_}"], prepare=True)
        for statement in (f"select '{one['error']}'::int", f"selec '{one['error']}'",
                          f"insert into leads (email) values ('{one['error']}')",
                          f"alter role {USER} password '{one['password']}' superuser"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
        with connection.cursor() as cursor:
            with pytest.raises(psycopg.Error), \
                    cursor.copy("copy leads (email) from stdin") as copy:
                copy.write(f"{one['copy']}\n")
    process.wait_until(lambda: "redacted" in watched.get("/api/queries?limit=500").body, PATIENCE,
                       "statistics")
    process.wait_until(lambda: watched.proxy.log.read_text().count("slow statement") >= 6, PATIENCE,
                       "slow log")
    seen = {path: watched.get(path).body for path in
            ("/api/queries?limit=500", "/api/findings?limit=500", "/metrics", "/api/pools")}
    for command in ("show queries", "show findings", "show clients", "show config"):
        seen[command] = json.dumps(console(watched, command), default=str)
    seen["log"] = watched.proxy.log.read_text()
    for where, text in seen.items():
        for kind, canary in one.items():
            assert canary.lower() not in text.lower(), f"{kind} in {where}"
    assert "select $1" in seen["/api/queries?limit=500"] and PASSWORD not in seen["log"]
