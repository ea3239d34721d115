"""What clients cost: idle ones, and messages of more than a gigabyte in both directions.

The server is a model that says what PostgreSQL cannot, whose own messages end at 1 GB.
"""

import contextlib
import os
import resource
import socket
import struct
import threading

import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire
from tests.proxy.model_server import READY, ModelServer, exactly
from tests.proxy.wire_client import FLUSH, SYNC, query, text
from tools import process, proxy

IDLE, WARM = 10_000, 500
IDLE_BYTES_MAX = 2048
BODY = 1_200_000_000
PIECE = bytes(1 << 20)
# A sanitizer keeps what was freed for a while and puts walls around all that is not.
SANITIZED = os.environ.get("HOWDAH_PRESET") in ("asan", "tsan")
STREAM_BYTES_MAX = 500_000_000 if SANITIZED else 30_000_000


class RowServer(ModelServer):
    """Answers a Query with a row, `large` with a row of BODY bytes; keeps nothing it is sent."""

    largest = 0

    def talk(self, connection: socket.socket, stream) -> None:
        while True:
            kind, size = struct.unpack("!ci", exactly(stream, 5))
            start = exactly(stream, min(size - 4, 1000))
            skip(stream, size - 4 - len(start))
            self.largest = max(self.largest, size)
            self.answer(connection, kind, start)

    def answer(self, connection: socket.socket, kind: bytes, start: bytes) -> None:
        if kind == b"Q":
            row = wire.message("D", struct.pack("!hi", 1, 1) + b"1")
            if start.startswith(b"copy"):
                connection.sendall(wire.message("G", b"\0\0\0"))
                return
            if start.startswith(b"select large"):
                connection.sendall(struct.pack("!ciHi", b"D", BODY + 10, 1, BODY))
                send_much(connection, BODY)
                row = b""
            connection.sendall(row + wire.message("C", text("SELECT 1")) + READY)
        answers = {b"P": wire.message("1"), b"B": wire.message("2"), b"S": READY,
                   b"E": wire.message("C", text("SELECT 0")),
                   b"c": wire.message("C", text("COPY 1")) + READY}
        connection.sendall(answers.get(kind, b""))


def skip(stream, size: int) -> None:
    while size > 0:
        size -= len(exactly(stream, min(size, len(PIECE))))


def send_much(connection: socket.socket, size: int) -> None:
    for _ in range(size // len(PIECE)):
        connection.sendall(PIECE)
    connection.sendall(PIECE[:size % len(PIECE)])


@pytest.fixture(scope="module")
def server():
    model = RowServer()
    yield model
    model.close()


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, server, run_folder):
    folder = run_folder / f"memory-{request.param}"
    folder.mkdir()
    process.give_to_server_user(folder)
    one = proxy.Proxy(folder, {USER: PASSWORD}, settings={
        "backend": request.param, "pool_mode": "transaction", "auth_type": "trust",
        "max_client_conn": str(IDLE + WARM + 100), "log_connections": "0",
        "log_disconnections": "0", "server_tls_sslmode": "disable"},
        databases={"*": f"host=127.0.0.1 port={server.port}"})
    one.start()
    yield one
    one.stop()


def resident(pooler) -> int:
    with open(f"/proc/{pooler.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


class Peak:
    """The most that the pooler has resident while this is open."""

    def __init__(self, pooler):
        self.pooler, self.most, self.over = pooler, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while not self.over.wait(0.02):
            self.most = max(self.most, resident(self.pooler))

    def __enter__(self):
        self.before = resident(self.pooler)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def grown(self) -> int:
        return self.most - self.before


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's allocator would measure itself")
def test_what_an_idle_client_costs(pooler):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, IDLE + 2000)), hard))
    with contextlib.ExitStack() as stack:
        def more(count: int) -> int:
            for _ in range(count):
                client = wire.Client(pooler.uri("memory"))
                stack.callback(client.close)
            client.ask(query("select 1"))
            return resident(pooler)
        before = more(WARM)
        each = (more(IDLE) - before) / IDLE
    assert each <= IDLE_BYTES_MAX, f"{each:.0f} bytes for each of {IDLE} idle clients"


@pytest.fixture
def client(pooler):
    with contextlib.closing(wire.Client(pooler.uri("memory"), timeout=120)) as one:
        one.ask(query("select 1"))
        yield one


def assert_bounded(peak: Peak) -> None:
    assert peak.grown() < STREAM_BYTES_MAX, f"{peak.grown()} bytes for a message of {BODY}"


def test_a_row_of_more_than_a_gigabyte_streams(pooler, client):
    with Peak(pooler) as peak:
        client.send(query("select large"))
        with client.socket.makefile("rb", 1 << 20) as stream:
            kind, size = struct.unpack("!ci", exactly(stream, 5))
            assert (kind, size) == (b"D", BODY + 10)
            skip(stream, size - 4)
            assert exactly(stream, len(READY) + 14)[-6:] == READY
    assert_bounded(peak)


@pytest.mark.parametrize("kind", ["Q", "B", "P", "d"])
def test_a_message_of_more_than_a_gigabyte_from_a_client_streams(pooler, server, client, kind):
    starts = {"Q": b"select '", "P": b"\0select '", "B": b"\0mine\0\0\0\0\1" +
              struct.pack("!i", BODY - 14), "d": b""}
    if kind == "d":
        client.send(query("copy t from stdin"))
        assert client.until("G")
    if kind == "B":
        client.send(wire.parse("mine", "select $1"), FLUSH)
    server.largest = 0
    with Peak(pooler) as peak:
        client.send(struct.pack("!ci", kind.encode(), BODY + 4) + starts[kind])
        end = {"Q": b"'\0", "P": b"'\0\0\0", "B": b"\0\0", "d": b""}[kind]
        send_much(client.socket, BODY - len(starts[kind]) - len(end))
        client.send(end)
        client.send({"Q": b"", "d": wire.COPY_DONE}.get(kind, SYNC))
        client.until("Z")
    assert server.largest >= BODY
    assert_bounded(peak)
