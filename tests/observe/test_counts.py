"""What is counted of statements that come in pieces, wait, fail, or are never answered."""

from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.observe.test_http import running, server_of
from tests.proxy import wire_client as wire
from tests.proxy.wire_client import SYNC, bind, describe, execute, parse, query
from tools import process


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def watched(request, run_folder, cluster):
    with running(Path(run_folder) / f"counted_{request.param}", {"*": server_of(cluster)},
                 pool_mode="transaction", default_pool_size="1", backend=request.param) as one:
        yield one


@pytest.fixture
def database(watched, new_database):
    """One of its own for each test: nobody else's statements are counted in it."""
    watched.databases = getattr(watched, "databases", 0) + 1
    return new_database(f"counted_{watched.port}_{watched.databases}")


@pytest.fixture
def client(watched, database):
    one = wire.Client(watched.proxy.uri(database))
    yield one
    one.close()


@pytest.fixture
def counted(watched, database):
    return Counted(watched, database)


class Counted:
    """counted.to(n), once n statements of this database are counted; then counted(name) is what the
    counter has gained since the time before."""

    def __init__(self, watched, database):
        self.watched, self.database = watched, database
        self.now: dict[tuple, float] = {}

    def all(self) -> dict[tuple, float]:
        found = {}
        for family in text_string_to_metric_families(self.watched.get("/metrics").body):
            for sample in family.samples:
                labels = {k: v for k, v in sample.labels.items() if k not in ("database", "le")}
                if sample.labels.get("database") == self.database:
                    found[sample.name, *sorted(labels.items())] = sample.value
        return found

    def to(self, statements: int) -> "Counted":
        name = ("howdah_queries_total",)
        process.wait_until(lambda: self.all().get(name, 0) >= statements, 10, "events")
        self.before, self.now = self.now, self.all()
        assert self.now[name] == statements
        return self

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, *sorted(labels.items()))
        return self.now.get(key, 0) - self.before.get(key, 0)

    def errors(self) -> dict[str, float]:
        return {dict(key[1:])["class"]: self(key[0], **dict(key[1:])) for key in self.now
                if key[0] == "howdah_query_errors_total" and self(key[0], **dict(key[1:]))}


ROWS = {
    "in pieces": ([parse("", "select generate_series(1, 7)"), bind("", ""), execute("", 3),
                   execute("", 3), execute("", 3), SYNC], 3, 7),
    "as many as asked for": ([parse("", "select generate_series(1, 7)"), bind("", ""),
                              execute("", 2), SYNC], 1, 2),
    "show": ([query("show work_mem")], 1, 1),
    "explain": ([query("explain select 1")], 1, 1),
    "before an error": ([query("select 1/(4 - i) from generate_series(1, 9) i")], 1, 3),
    "changed": ([query("create temp table c as select generate_series(1, 5); drop table c")], 1, 5),
    "returned": ([query("begin; create temp table r(i int) on commit drop; insert into r select "
                        "generate_series(1, 4) returning i; commit")], 1, 4),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows_are_those_that_came_or_were_changed(counted, client, case):
    messages, statements, expected = ROWS[case]
    client.ask(*messages)
    assert counted.to(statements)("howdah_query_rows_total") == expected


def test_move_returns_nothing(counted, client):
    for text in ("begin", "declare c scroll cursor for select generate_series(1, 9)", "move 3 in c",
                 "fetch 2 from c", "commit"):
        client.ask(query(text))
    assert counted.to(5)("howdah_query_rows_total") == 2


def test_bytes_are_of_the_statement_that_they_answer(counted, client):
    cases = ([query("select 1")],
             [parse("", "select 1/0"), bind("", ""), describe("P", ""), execute(), SYNC],
             [query("select 'some text'")],
             [parse("", "select 5"), bind("", ""), execute(), SYNC],
             [query("select nothing")])
    for number, messages in enumerate(cases, 1):
        answer = client.ask(*messages)
        sent = sum(5 + len(one.body) for one in answer)
        assert counted.to(number)("howdah_query_bytes_total", direction="out") == sent, messages


@pytest.fixture
def holder(watched, database):
    """Has the pool's only server."""
    one = wire.Client(watched.proxy.uri(database))
    one.ask(query("begin"))
    yield one
    one.close()


@pytest.fixture
def waits(watched, database):
    def wait(count: int) -> None:
        process.wait_until(lambda: watched.metric("pgbouncer_pools_client_waiting_connections",
                                                  database=database) == count, 10, "waiters")
    return wait


def test_waiting_to_prepare_is_queue_time(counted, client, holder, waits):
    client.send(parse("", "select 1"), describe("S", ""), SYNC)
    waits(1)
    holder.ask(query("select pg_sleep(0.3)"), query("rollback"), ready=2)
    client.until("Z")
    client.ask(bind("", ""), execute(), SYNC)
    assert counted.to(4)("howdah_query_queue_seconds_sum") > 0.3


def test_who_gives_up_waiting_is_counted(counted, client, holder, waits):
    client.send(query("select 'queued'"))
    waits(1)
    client.cancel()
    client.until("Z")
    assert counted.to(2).errors() == {"57": 1}
    # The client goes away instead.
    client.send(query("select 'left'"))
    waits(1)
    client.close()
    assert counted.to(3).errors() == {"57": 1}


@pytest.mark.parametrize("end", ["query_timeout", "leaves"])
def test_a_statement_that_is_never_answered_is_counted(watched, counted, client, database, end):
    client.send(query("select pg_sleep(60)"))
    process.wait_until(lambda: watched.metric("pgbouncer_pools_server_active_connections",
                                              database=database) == 1, 10, "active")
    if end == "leaves":
        client.close()
    else:
        with psycopg.connect(watched.proxy.uri("pgbouncer"), autocommit=True,
                             prepare_threshold=None) as console:
            console.execute("SET query_timeout = 1")
            client.until_end()
            console.execute("SET query_timeout = 0")
    assert counted.to(1).errors() == {"57" if end == "leaves" else "08": 1}
    if end == "query_timeout":
        assert counted("howdah_query_server_seconds_sum") >= 0.9


def test_a_retried_plan_is_no_error(counted, client):
    client.ask(query("create table stale(i int)"))
    client.ask(parse("s", "select * from stale"), SYNC)
    client.ask(bind("", "s"), describe("P", ""), execute(), SYNC)
    client.ask(query("alter table stale add column j int"))
    counted.to(3)
    answer = client.ask(bind("", "s"), describe("P", ""), execute(), SYNC)
    assert not [one for one in answer if one.type == "E"]
    assert counted.to(4).errors() == {}
