"""A client that is killed after each message of a session: nothing of it is left for the next."""

import time

import psycopg
import pytest

from tests.chaos.network import reset
from tests.proxy import wire_client as wire
from tests.proxy.wire_client import (COPY_DONE, FLUSH, SYNC, bind, copy_data, describe, execute,
                                     parse, query)
from tools import process

SCRIPT = [
    query("create table if not exists left_over(i int)"),
    query("set work_mem = '9MB'"),
    query("begin"),
    query("insert into left_over values (1)"),
    parse("mine", "select $1::int"), describe("S", "mine"), bind("", "mine", "1"), execute(),
    FLUSH, SYNC,
    bind("p", "mine", "2"), execute("p", 1), SYNC,
    parse("", "selec nothing"), bind("", ""), SYNC,
    query("rollback"),
    query("create temp table mine_alone(i int)"),
    query("select pg_try_advisory_lock(4711)"),
    query("copy mine_alone from stdin"), copy_data(b"1\n"), copy_data(b"2\n"), COPY_DONE,
    query("copy (select generate_series(1, 20000)) to stdout"),
    query("prepare theirs as select 1"),
    query("declare held cursor with hold for select generate_series(1, 1000)"),
    query("select pg_sleep(0.2), generate_series(1, 100)"),
]


@pytest.fixture(scope="module", autouse=True)
def table(victim):
    victim.sql("create table if not exists left_over(i int); alter table left_over owner to app",
               "chaos")


@pytest.mark.parametrize("waits", [False, True], ids=["at-once", "after-answers"])
def test_killed_after_each_message(pooler, healthy, waits):
    for count in range(len(SCRIPT) + 1):
        client = wire.Client(pooler.uri("chaos"), timeout=20)
        if waits:
            for message in SCRIPT[:count]:
                client.send(message)
                if message[:1] in b"QS" and not message.startswith(b"Q") or message[:1] == b"Q" \
                        and b"from stdin" not in message:
                    client.until("Z")
        else:
            client.send(*SCRIPT[:count])
        reset(client.socket)
    healthy()
    with psycopg.connect(pooler.uri("chaos"), autocommit=True) as other:
        assert other.execute("select count(*) from left_over").fetchone() == (0,)


def test_killed_in_the_middle_of_a_message(pooler, healthy):
    text = query("select 'a string that is long enough to be cut'")
    values = parse("cut", "select $1::text") + bind("", "cut", "x" * 300) + execute() + SYNC
    for whole in (text, values, query("begin") + text, query("copy left_over from stdin") +
                  copy_data(b"77\n" * 20)):
        for size in range(1, len(whole), 7):
            client = wire.Client(pooler.uri("chaos"), timeout=20)
            client.send(whole[:size])
            reset(client.socket)
    healthy()
    with psycopg.connect(pooler.uri("chaos"), autocommit=True) as other:
        assert other.execute("select count(*) from left_over").fetchone() == (0,)


def test_killed_while_its_cancel_request_is_under_way(pooler, network, healthy):
    """Its server is closed at once; the cancel request comes back to it much later."""
    client = wire.Client(pooler.uri("chaos"), timeout=20)
    client.send(query("copy left_over from stdin"))
    client.until("G")
    try:
        network.stall()
        canceller = client.ask_to_cancel()
        network.waits_for_bytes()
        reset(client.socket)
        with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True) as console:
            def server_is_gone():
                return not [row for row in console.execute("SHOW SERVERS") if row[2] == "chaos"
                            and row[3] == "active"]
            process.wait_until(server_is_gone, 10, "the end of its server")
            # A closed connection is kept until its pool is looked after, ten times a second.
            kept_until = time.monotonic() + 0.4
            process.wait_until(lambda: time.monotonic() > kept_until, 5, "the end of its memory")
    finally:
        network.flow()
    with canceller:
        assert canceller.recv(1) == b""
    healthy()


def test_a_cancel_request_is_seen_and_ends_when_the_server_has_it(pooler, network, healthy):
    client = wire.Client(pooler.uri("chaos"), timeout=20)
    client.send(query("select pg_sleep(30)"))
    with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True, prepare_threshold=None,
                         row_factory=psycopg.rows.dict_row) as console:
        def under_way():
            [pool] = [row for row in console.execute("SHOW POOLS") if row["database"] == "chaos"]
            states = [(row["database"], row["user"]) for row in console.execute("SHOW CLIENTS")
                      if row["state"] == "active_cancel_req"]
            counts = [pool[name] for name in ("cl_active_cancel_req", "sv_active_cancel")]
            return counts, states
        process.wait_until(lambda: [row for row in console.execute("SHOW SERVERS")
                                    if row["state"] == "active"], 10, "its server")
        try:
            network.stall()
            canceller = client.ask_to_cancel()
            [user] = {row["user"] for row in console.execute("SHOW CLIENTS")
                      if row["database"] == "chaos"}
            process.wait_until(lambda: under_way() == ([1, 1], [("chaos", user)]), 10,
                               "the cancel request")
            canceller.settimeout(0.3)
            with pytest.raises(TimeoutError):
                canceller.recv(1)
        finally:
            network.flow()
        canceller.settimeout(20)
        with canceller:
            assert canceller.recv(1) == b""
        answer = client.until("Z")
        assert [wire.fields(one)["C"] for one in answer if one.type == "E"] == ["57014"]
        process.wait_until(lambda: under_way() == ([0, 0], []), 10, "its end")
    client.close()
    healthy()
