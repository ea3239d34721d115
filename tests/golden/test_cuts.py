"""Golden transcripts: what a client sends, cut at every byte boundary, gets the answers of the run
in one piece. A cut is two sends with a pause between, so that howdah sees the first part alone."""

import socket
import time

import pytest

from tests.proxy import wire_client as wire
from tests.proxy.wire_client import (COPY_DONE, FLUSH, SYNC, TERMINATE, bind, close, copy_data,
                                     copy_fail, describe, execute, message, parse, query)

PAUSE = 0.0015

# name: messages, ReadyForQuery expected. Each leaves the connection as it found it.
TRANSCRIPTS = {
    "simple": ([query("select 1, 'two', null"), query("select 3; select 4"), query("")], 3),
    "extended": ([parse("s", "select $1::int + 1"), describe("S", "s"), bind("", "s", "41"),
                  describe("P", ""), execute(), close("S", "s"), SYNC], 1),
    "unnamed": ([parse("", "select $1::text"), bind("", "", "x"), execute(), FLUSH, SYNC], 1),
    "portals": ([query("begin"), parse("", "select generate_series(1, 5)"), bind("p", ""),
                 execute("p", 2), execute("p", 2), execute("p"), close("P", "p"), SYNC,
                 query("commit")], 3),
    "pipeline": ([parse("a", "select 1"), bind("", "a"), execute(), SYNC, bind("", "a"), execute(),
                  SYNC, query("select 2"), close("S", "a"), SYNC, SYNC], 5),
    "copy_in": ([query("copy cuts from stdin"), copy_data(b"1\tone\n2\tt"), copy_data(b"wo\n"),
                 COPY_DONE, query("delete from cuts returning i, t")], 2),
    "copy_fail": ([query("copy cuts from stdin"), copy_data(b"1\tone\n"), copy_fail("no more"),
                   query("select count(*) from cuts")], 2),
    "copy_out": ([query("copy (select i, 'x' from generate_series(1, 3) i) to stdout")], 1),
    "errors": ([query("selec 1"), parse("e", "select 1/$1::int"), bind("", "e", "0"), execute(),
                parse("never", "select 1"), SYNC, bind("", "never"), SYNC, close("S", "e"), SYNC,
                query("begin; select 1/0"), query("select 1"), query("rollback")], 7),
    "prepared_sql": ([query("prepare q(int) as select $1 + 1"), query("execute q(1)"),
                      query("deallocate q")], 3),
    "function_call": ([message("F", b"\0\0\x05\x58" + b"\0\1\0\0" + b"\0\1" +
                               b"\0\0\0\2" + b"-7" + b"\0\0")], 1),  # int4abs
}


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def uri(request, start_howdah, new_database, cluster):
    pooler = start_howdah(f"golden-{request.param}", backend=request.param,
                          pool_mode="transaction", default_pool_size="2")
    database = new_database(f"golden_{request.param}")
    cluster.primary.sql("create table cuts(i int, t text); alter table cuts owner to app", database)
    return pooler.uri(database)


def answers(client: wire.Client, parts: list[bytes], ready: int) -> list[tuple]:
    for number, part in enumerate(parts):
        if number:
            time.sleep(PAUSE)
        client.socket.sendall(part)
    return wire.normal(client.until("Z", ready))


def no_delay(client: wire.Client) -> wire.Client:
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


@pytest.mark.parametrize("name", sorted(TRANSCRIPTS))
def test_cut_at_every_byte(uri, name):
    messages, ready = TRANSCRIPTS[name]
    whole = b"".join(messages)
    client = no_delay(wire.Client(uri))
    golden = answers(client, [whole], ready)
    assert [one[0] for one in golden].count("Z") == ready
    for size in range(1, len(whole)):
        assert answers(client, [whole[:size], whole[size:]], ready) == golden, f"cut at {size}"
    assert answers(client, [whole[i:i + 1] for i in range(len(whole))], ready) == golden
    client.close()


@pytest.mark.parametrize("name", sorted(TRANSCRIPTS))
def test_same_as_postgresql(uri, cluster, name):
    messages, ready = TRANSCRIPTS[name]
    direct = wire.Client(cluster.primary.uri("app", "app-secret", uri.rsplit("/", 1)[1]))
    through = wire.Client(uri)
    expected = answers(direct, [b"".join(messages)], ready)
    assert answers(through, [b"".join(messages)], ready) == expected
    for client in (direct, through):
        client.send(TERMINATE)
        client.close()


def test_a_login_cut_at_every_byte(uri):
    golden = [one.type for one in wire.Client(uri).greeting]
    plain = socket.socket.sendall
    lengths = []

    class Slow:
        """A socket whose every send is in two parts."""

        def __init__(self, inner, size):
            self.inner, self.size = inner, size

        def sendall(self, data):
            lengths.append(len(data))
            cut = min(self.size, len(data) - 1)
            plain(self.inner, data[:cut])
            time.sleep(PAUSE)
            plain(self.inner, data[cut:])

        def __getattr__(self, name):
            return getattr(self.inner, name)

    connect = socket.create_connection
    size = 1
    while not lengths or size < max(lengths):
        try:
            socket.create_connection = lambda *a, **k: Slow(connect(*a, **k), size)
            client = wire.Client(uri)
        finally:
            socket.create_connection = connect
        assert [one.type for one in client.greeting] == golden, f"cut at {size}"
        client.socket.inner.close()
        size += 1


def test_a_cancel_request_cut_at_every_byte(uri):
    client = wire.Client(uri)
    key = client.key
    packet = b"\0\0\0\x10" + b"\x04\xd2\x16\x2e" + key
    assert len(packet) == 16
    for size in range(1, len(packet)):
        client.send(query("select pg_sleep(20)"))
        with socket.create_connection((client.host, client.port), 20) as other:
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            time.sleep(0.05)
            other.sendall(packet[:size])
            time.sleep(PAUSE)
            other.sendall(packet[size:])
            assert other.recv(1) == b""
        answer = client.until("Z")
        assert [one.type for one in answer if one.type == "E"] == ["E"], f"cut at {size}"
    client.close()
