"""Whose time it is when several statements are sent at once and answered at once."""

import uuid
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, USER
from tests.observe.test_http import running, server_of
from tests.proxy.model_server import READY, ModelServer, exactly
from tests.proxy.wire_client import SYNC, Client, bind, execute, fields, message, parse, query, text
from tools import process, proxy, shell
from tools.pgcluster import SUPERUSER
from tools.shell import BUILD

HERE = Path(__file__).parent
PATIENCE = 45
SLOW = 250.0        # ms of a slow statement, over slow_query_time
LITTLE = 200.0      # ms: told wrong it would be SLOW; on a busy machine BEGIN alone may take 100

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("pipelines")
    cluster.primary.sql("create table visits as select n as id, n % 50000 as person_id from "
                        f"generate_series(1, 300000) n; analyze visits; grant select on visits to "
                        f"{USER}", database)
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    with running(Path(run_folder) / "pipelines", {database: server_of(cluster)},
                 pool_mode="transaction", slow_query_time="0.2", stats_users=USER,
                 slow_query_explain=explain) as one:
        one.database = database
        with one.connect(database) as connection:
            connection.execute("select 1")  # nobody below waits for a server's login
        yield one


class Caller:
    """A client with a name of its own, and what statistics say of it."""

    def __init__(self, watched):
        self.watched, self.name = watched, f"caller-{uuid.uuid4().hex[:8]}"
        self.client = Client(watched.proxy.uri(watched.database), application_name=self.name)

    def ask(self, *messages: bytes, ready: int) -> list:
        answer = self.client.ask(*messages, ready=ready)
        self.client.close()
        return answer

    def spent(self, statements: int) -> list[tuple[str, float]]:
        """Each statement of it and its ms of queue, server and network, once all are there."""
        def rows() -> list[tuple[str, float]]:
            found = self.watched.get(f"/api/queries?application={self.name}&limit=500").json()
            return [(row["text"], part["ms"], part["calls"])
                    for row in found["queries"] for part in row["applications"]
                    if part["name"] == self.name]
        process.wait_until(lambda: sum(row[2] for row in rows()) >= statements, PATIENCE,
                           "statistics")
        found = rows()
        assert sum(row[2] for row in found) == statements, found
        return [(text, ms) for text, ms, _ in found]

    def check(self, statements: int, slow: str, answer: list = ()) -> None:
        """All of the time is that of the statement with this word."""
        assert "E" not in [message.type for message in answer], answer
        spent = self.spent(statements)
        others = sum(ms for text, ms in spent if slow not in text)
        assert others < LITTLE, spent
        # It has run already when a late loop hears of the end of the one before.
        assert sum(ms for text, ms in spent if slow in text) >= SLOW - others, spent


def extended(text: str, *values: str, name: str = "") -> bytes:
    return parse(name, text) + bind("", name, *values) + execute()


@pytest.fixture
def caller(watched):
    return Caller(watched)


def sleeping(column: str) -> str:
    return f"select pg_sleep({SLOW / 1000}), {column} from organizations where id = $1"


def test_begin_and_a_statement_in_one_sync(caller):
    """As JDBC does it."""
    answer = caller.ask(extended("begin") + extended(sleeping("city"), "1") + SYNC,
                        extended("commit") + SYNC, ready=2)
    caller.check(3, "city", answer)


def test_it_is_a_slow_statement(watched, caller):
    caller.ask(extended("begin") + extended(sleeping("segment"), "1") + SYNC,
               extended("commit") + SYNC, ready=2)
    log = Path(watched.proxy.log)

    def logged() -> list[str]:
        return [line for line in log.read_text().splitlines()
                if "slow statement" in line and caller.name in line]
    process.wait_until(logged, PATIENCE, "slow statement")
    [line] = logged()
    assert "segment" in line and "server 2" in line


def test_it_is_a_lookup_without_an_index(watched, caller):
    caller.ask((extended("begin") + extended("select id from visits where person_id = $1::int", "5") +
                SYNC + extended("commit") + SYNC) * 12, ready=24)

    def found() -> list[dict]:
        return watched.get("/api/findings?rule=missing-index").json()["findings"]
    process.wait_until(found, PATIENCE, "missing-index")
    assert found()[0]["fix"] == "create index concurrently on visits (person_id)"


def test_a_savepoint_too(caller):
    answer = caller.ask(extended("begin") + extended("savepoint here") +
                        extended(sleeping("name"), "1") + SYNC,
                        extended("commit") + SYNC, ready=2)
    caller.check(4, "name from", answer)


def test_begin_in_a_sync_of_its_own_in_one_packet(caller):
    answer = caller.ask(extended("begin") + SYNC + extended(sleeping("id, city"), "1") + SYNC +
                        extended("commit") + SYNC, ready=3)
    caller.check(3, "id, city", answer)


def test_a_slow_statement_before_it_keeps_its_time(caller):
    """What stands beside BEGIN may be quick, and what was before it slow."""
    answer = caller.ask(extended(sleeping("id, name"), "1") + SYNC +
                        extended("begin") + extended("select name, id from users limit 1") + SYNC +
                        extended("commit") + SYNC, ready=3)
    caller.check(4, "id, name from organizations", answer)


@pytest.mark.parametrize("simple", [True, False], ids=["simple", "extended"])
def test_begin_by_the_simple_protocol_in_one_packet(caller, simple):
    """As JDBC with preferQueryMode=simple, and as Npgsql."""
    column = "id, segment" if simple else "name, segment"
    second = query(sleeping(column).replace("$1", "1")) if simple else \
        extended(sleeping(column), "1") + SYNC
    answer = caller.ask(query("begin") + second + query("commit"), ready=3)
    caller.check(3, column, answer)


def test_without_begin_a_pipelines_time_is_the_first_ones(caller):
    """Which one it was nobody said."""
    answer = caller.ask(extended("select name, city from organizations where id = $1", "1") +
                        extended(sleeping("city, id"), "1") + SYNC, ready=1)
    caller.check(2, "name, city", answer)


def test_begin_alone_has_the_time_it_takes(watched, caller):
    """Answered at once: what comes later in the transaction has nothing of it."""
    answer = caller.ask(extended("begin") + SYNC, extended("select role, id from users limit 1") +
                        SYNC, extended("commit") + SYNC, ready=3)
    assert "E" not in [message.type for message in answer]
    spent = dict(caller.spent(3))
    assert all(ms < LITTLE for ms in spent.values()) and spent["begin"] > 0, spent


def test_a_statement_that_fails_beside_begin(watched, caller):
    """At the Bind or in the middle: the time and the error are its own."""
    text = f"select pg_sleep({SLOW / 1000}), 1 / count(*) from users where name = $1"
    answer = caller.ask(extended("begin") + extended(text, "nobody") + SYNC,
                        extended("rollback") + SYNC, ready=2)
    assert [fields(each)["C"] for each in answer if each.type == "E"] == ["22012"]
    caller.check(3, "count(*)")
    [row] = [row for row in watched.queries("count")
             if caller.name in [part["name"] for part in row["applications"]]]
    assert row["sqlstates"] == {"22012": 1}


def test_what_fails_to_parse_has_not_the_time_before_it(watched, caller):
    """Its time was counted from the beginning of the pipeline, beside the statements before it."""
    answer = caller.ask(extended(sleeping("id, name, city"), "1") +
                        extended("select no_such_column, city from organizations") + SYNC, ready=1)
    assert [fields(each)["C"] for each in answer if each.type == "E"] == ["42703"]
    caller.check(2, "id, name, city")


class BreakingServer(ModelServer):
    """Answers a Query, and is gone without a word at a Sync: a backend that was killed."""

    def talk(self, connection, stream) -> None:
        while (kind := exactly(stream, 1)) != b"S":
            exactly(stream, int.from_bytes(exactly(stream, 4)) - 4)
            if kind == b"Q":
                connection.sendall(message("C", text("SET")) + READY)


def test_a_server_that_is_gone_was_not_broken_by_begin(run_folder):
    server = BreakingServer()
    with running(Path(run_folder) / "breaking", {"shop": f"host=127.0.0.1 port={server.port}"},
                 pool_mode="transaction", server_tls_sslmode="disable") as watched:
        watched.database = "shop"
        caller = Caller(watched)
        caller.client.send(extended("begin") + extended("select name from users") + SYNC)
        assert "E" in [each.type for each in caller.client.until_end()]

        def states() -> dict[str, dict]:
            return {row["text"]: row["sqlstates"] for row in watched.queries("")
                    if "sqlstates" in row}
        process.wait_until(states, PATIENCE, "statistics")
        assert states() == {"select name from users": {"08006": 1}}
    server.close()


@pytest.mark.parametrize(("mode", "columns"), [("extended", "city, segment, id"),
                                               ("simple", "city, segment, name")])
def test_jdbc(watched, mode, columns):
    """The driver itself, with autocommit off."""
    place = BUILD / "clients" / "slow-transaction"
    place.mkdir(parents=True, exist_ok=True)
    driver = "/usr/share/java/postgresql.jar"
    shell.run(["javac", "-Xlint:all", "-Werror", "-d", place, HERE / "SlowTransaction.java"])
    name = f"caller-{uuid.uuid4().hex[:8]}"
    url = (f"jdbc:postgresql://127.0.0.1:{watched.proxy.port}/{watched.database}?user={USER}"
           f"&password={PASSWORD}&ApplicationName={name}&preferQueryMode={mode}")
    shell.run(["java", "-XX:TieredStopAtLevel=1", "-cp", f"{place}:{driver}", "SlowTransaction",
               url, columns])

    def spent() -> dict[str, tuple[int, float]]:
        rows = watched.get(f"/api/queries?application={name}&limit=500").json()["queries"]
        return {row["text"].split()[0].lower(): (part["calls"], part["ms"]) for row in rows
                for part in row["applications"]
                if part["name"] == name and ("pg_sleep" in row["text"] or row["kind"] == "transaction")}
    wanted = {"begin", "select", "commit"}
    process.wait_until(lambda: wanted <= spent().keys() and spent()["commit"][0] == 2, PATIENCE,
                       "statistics")
    assert spent()["select"][1] >= 2 * SLOW and spent()["begin"][1] < LITTLE, spent()


def test_psycopg_pipelines(watched):
    name = f"caller-{uuid.uuid4().hex[:8]}"
    with watched.connect(watched.database, application_name=name) as connection:
        for number in (1, 2):
            with connection.pipeline():
                connection.execute("begin")
                connection.execute(
                    f"select pg_sleep({SLOW / 1000}), city, name from organizations where id = %s",
                    [number])
            connection.execute("commit")

    def spent() -> dict[str, float]:
        rows = watched.get(f"/api/queries?application={name}").json()["queries"]
        return {row["text"].split()[0].lower(): part["ms"] for row in rows
                for part in row["applications"] if part["name"] == name and part["calls"] == 2}
    process.wait_until(lambda: {"begin", "select", "commit"} <= spent().keys(), PATIENCE,
                       "statistics")
    assert spent()["select"] >= 2 * SLOW and spent()["begin"] < LITTLE, spent()
