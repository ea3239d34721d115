"""Pipelines that end in the middle, portals that take turns, and clients that do not read."""

import contextlib
import os
import socket
import struct

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire
from tests.proxy.test_isolation import errors, rows
from tests.proxy.wire_client import (COPY_DONE, FLUSH, SYNC, TERMINATE, bind, close, copy_data,
                                     execute, parse, query)
from tools import process
from tools.pgcluster import SUPERUSER

MEBIBYTE = 1 << 20


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, start_howdah):
    return start_howdah(f"pipelines-{request.param}", backend=request.param,
                        pool_mode="transaction", default_pool_size="1", http_listen="")


@pytest.fixture(scope="module")
def database(pooler, new_database):
    return new_database(f"pipelines_{pooler.port}")


@pytest.fixture(scope="module")
def table(cluster, database):
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, database), autocommit=True) as direct:
        direct.execute("create table t(i int)")
        yield lambda sql: direct.execute(sql).fetchone()[0]


BATCHES = {
    "parse": [parse("", "select 1")],
    "execute": [parse("", "insert into t values (1)"), bind("", ""), execute()],
    "named": [parse("s", "insert into t values (1)"), bind("p", "s"), execute("p")],
    "in a transaction": [query("begin"), parse("", "insert into t values (1)"), bind("", ""),
                         execute()],
    "after an error": [parse("", "select 1/0"), bind("", ""), execute(), execute()],
}


@pytest.mark.parametrize("end", ["open", "shutdown", "closed"])
@pytest.mark.parametrize("batch", BATCHES)
def test_a_terminate_behind_a_batch_without_a_sync_ends_it(open_client, table, batch, end):
    client = open_client()
    client.send(*BATCHES[batch], TERMINATE)
    if end == "shutdown":
        client.socket.shutdown(socket.SHUT_WR)
    if end == "closed":
        client.close()
    else:
        client.until_end()
    # The one server of the pool is free again, and what was half said has not happened.
    other = open_client()
    assert rows(other.ask(query("select count(*) from t"))) == ["0"]
    assert table("select count(*) from pg_stat_activity where state like 'idle in%'") == 0


def test_a_portal_of_its_own_keeps_its_copy(open_client, table):
    client = open_client()
    data = [copy_data(f"{i}\n".encode()) for i in range(1001)]
    try:
        client.send(query("begin"), parse("c", "copy t from stdin"), parse("o", "select 1"),
                    bind("p1", "c"), bind("p2", "o"), execute("p1"), data[0], FLUSH)
        client.until("G")
        client.send(*data[1:], COPY_DONE, SYNC)
        answer = client.until("Z", 1)
        assert [one.body for one in answer if one.type == "C"] == [b"COPY 1001\0"]
        assert rows(client.ask(query("select count(*) from t"))) == ["1001"]
    finally:
        client.ask(query("rollback"))
    # All of it sent ahead.
    answer = client.ask(parse("c2", "copy t from stdin"), bind("p1", "c2"), bind("", "o"),
                        execute("p1"), *data[:10], COPY_DONE, SYNC)
    assert [one.body for one in answer if one.type == "C"] == [b"COPY 10\0"]
    client.ask(query("truncate t"))


def test_portals_that_take_turns(open_client):
    client = open_client()
    answer = client.ask(parse("a", "select generate_series(1, 3)"), parse("b", "select 'b'"),
                        bind("a", "a"), bind("b", "b"), bind("", "b"), execute("a", 2),
                        execute("b"), execute("a"), execute(), close("P", "a"), SYNC)
    assert rows(answer) == ["1", "2", "b", "3", "b"] and not errors(answer)


@pytest.mark.parametrize("name", ["", "large"])
def test_a_statement_too_large_to_keep_works_where_it_is(open_client, name):
    client = open_client()
    large = "select length('" + "x" * (17 * MEBIBYTE) + "')"
    for _ in range(2):
        answer = client.ask(parse(name, large), bind("", name), execute(), SYNC)
        assert rows(answer) == [str(17 * MEBIBYTE)], errors(answer)
        if name:
            client.ask(close("S", name), SYNC)
    if not name:
        # The one before is gone, whoever asks for it.
        answer = client.ask(parse("", "select 5"), bind("", ""), execute(), SYNC)
        assert rows(answer) == ["5"]
    client.close()
    other = open_client()
    assert errors(other.ask(bind("", name), SYNC)) == ["26000"]


def memory(pooler) -> int:
    pages = int(open(f"/proc/{pooler.process.pid}/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def flood(client, messages: bytes, most: int) -> int:
    """Sends without reading until nothing more is taken, or `most` bytes are; how many were."""
    client.socket.settimeout(2)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < most:
            sent += client.socket.send(messages)
    client.socket.settimeout(20)
    return sent


@pytest.mark.parametrize("where", ["syncs", "closes", "in a transaction", "console"])
def test_a_client_that_does_not_read_is_not_read_either(pooler, database, open_client, where):
    uri = pooler.uri("pgbouncer") if where == "console" else pooler.uri(database)
    client = wire.Client(uri)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    if where == "in a transaction":
        client.ask(query("begin"))
    one = {"syncs": SYNC, "closes": close("S", ""), "in a transaction": close("S", ""),
           "console": query("show config")}[where]
    before = memory(pooler)
    most = 48 * MEBIBYTE if where != "console" else 2 * MEBIBYTE
    flood(client, one * (MEBIBYTE // 8 // len(one)), most)
    assert memory(pooler) - before < 24 * MEBIBYTE
    client.close()
    # Nobody else notices.
    assert rows(open_client().ask(query("select 1"))) == ["1"]
    process.wait_until(lambda: memory(pooler) - before < 24 * MEBIBYTE, 10, "memory")


def test_a_dying_server_is_explained_though_we_had_asked(open_client, pooler, table, database,
                                                         cluster):
    client = open_client()
    pid = rows(client.ask(query("select pg_backend_pid()")))[0]
    with psycopg.connect(f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER} "
                         f"dbname={database}") as blocker:
        blocker.execute("lock pg_catalog.pg_depend in access exclusive mode")
        client.send(query("select pg_advisory_lock(4711)"))
        client.until("Z")  # the probe that follows waits for the lock
        with psycopg.connect(cluster.primary.uri(USER, PASSWORD, "postgres"),
                             autocommit=True) as other:
            process.wait_until(lambda: other.execute(
                "select count(*) from pg_stat_activity where pid = %s and wait_event_type = 'Lock'",
                [int(pid)]).fetchone()[0] == 1, 10, "the probe")
            other.execute("select pg_terminate_backend(%s)", [int(pid)])
        [last] = [wire.fields(one) for one in client.until_end() if one.type == "E"]
        assert last["S"] == "FATAL" and last["M"] == "server conn crashed?"
        blocker.rollback()


@pytest.mark.parametrize("begin", [
    [query("begin"), query("insert into t values (1)"), query("commit")],
    [parse("", "begin"), bind("", ""), execute(), SYNC,
     parse("", "insert into t values (1)"), bind("", ""), execute(), SYNC,
     parse("", "commit"), bind("", ""), execute(), SYNC],
], ids=["simple", "extended"])
def test_statement_mode_refuses_a_block_in_a_pipeline(start_howdah, database, table, begin,
                                                      pooler):
    key = f"statement-{pooler.port}-{len(begin)}"
    one = start_howdah(key, pool_mode="statement", default_pool_size="1")
    client = wire.Client(one.uri(database))
    client.send(*begin)
    answer = client.until_end()
    assert [wire.fields(m)["M"] for m in answer if m.type == "E"] == [
        "transaction blocks not allowed in statement pooling mode"]
    assert not [m for m in answer if m.type == "Z"]
    other = wire.Client(one.uri(database))
    assert rows(other.ask(query("select count(*) from t"))) == ["0"]
    other.close()
    one.stop()
