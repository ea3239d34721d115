"""What pgbench does not show: memory of idle clients, and how fast a cold pool opens."""

import asyncio
import contextlib
import resource
import socket
import struct
import threading
import time

from bench import _peers
from tools.shell import Failed

IDLE_CLIENTS = 10_000
RAMP_SERVERS = 200
RAMP_DELAY_SECONDS = 0.3
RAMP_QUERY_SECONDS = 3.0


def startup(port: int, seconds: float = 10) -> socket.socket:
    """A client that has logged in (trust) and read its first ReadyForQuery."""
    client = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    body = b"".join(word.encode() + b"\0" for word in
                    ("user", _peers.USER, "database", _peers.DATABASE)) + b"\0"
    client.sendall(struct.pack("!II", 8 + len(body), 196608) + body)
    read_until_ready(client)
    return client


def read_until_ready(client: socket.socket) -> None:
    got = b""
    while True:
        while len(got) >= 5 and len(got) >= 1 + struct.unpack("!I", got[1:5])[0]:
            kind, length = got[:1], struct.unpack("!I", got[1:5])[0]
            if kind == b"E":
                raise Failed(f"the peer answers: {got[5:1 + length]!r}")
            if kind == b"Z":
                return
            got = got[1 + length:]
        piece = client.recv(65536)
        if not piece:
            raise Failed("the peer closed the connection")
        got += piece


def raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, PermissionError) as error:
        raise Failed(f"{wanted} open files are needed, {hard} are allowed") from error


def idle_clients(peer, count: int) -> dict:
    """RSS with `count` idle clients logged in, and what each of them costs."""
    clients = []
    before = _peers.rss_bytes(peer.process.pid)
    try:
        for _ in range(count):
            clients.append(startup(peer.port))
        after = _peers.rss_bytes(peer.process.pid)
    finally:
        for client in clients:
            client.close()
    return {"clients": count, "rss_bytes_before": before, "rss_bytes": after,
            "bytes_per_client": (after - before) / count}


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", 4 + len(body)) + body


# What a server says to a client that it trusts, in the end that it is ready.
READY = message(b"Z", b"I")
LOGIN = (message(b"R", bytes(4)) + message(b"K", struct.pack("!II", 1, 2))
         + b"".join(message(b"S", pair) for pair in (b"server_version\x0015.0\0",
                                                     b"client_encoding\0UTF8\0",
                                                     b"standard_conforming_strings\0on\0"))
         + READY)


class SlowServer:
    """Speaks as much of the protocol as a ramp needs, and takes its time for a login, as a far or
    TLS-laden server would. PostgreSQL itself would be measured in its place: 200 of its processes
    take two cores seconds to start. Runs in a thread of its own."""

    def __init__(self, delay_seconds: float, query_seconds: float):
        self.delay_seconds = delay_seconds
        self.query_seconds = query_seconds
        self.port = 0
        self.opened = 0
        self.ready = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait(10)

    def run(self) -> None:
        self.loop.run_until_complete(self.serve())
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left))
        self.loop.close()

    async def serve(self) -> None:
        server = await asyncio.start_server(self.session, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()

    async def session(self, reader, writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            await asyncio.sleep(self.delay_seconds)
            self.opened += 1
            writer.write(LOGIN)
            while (kind := await reader.readexactly(1)) != b"X":
                await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
                if kind == b"Q":
                    await asyncio.sleep(self.query_seconds)
                    writer.write(message(b"C", b"SELECT 1\0") + READY)
        writer.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


def ramp_up(peer, count: int, slow: SlowServer) -> dict:
    """`count` clients ask at once of a cold pool: how long until the last one has its answer, less
    the seconds that each query holds its server (so that every client needs a server of its own)."""
    already = slow.opened
    clients = [startup(peer.port, 60) for _ in range(count)]
    begin = time.monotonic()
    for client in clients:
        client.sendall(message(b"Q", b"select 1\0"))
    for client in clients:
        client.settimeout(120)
        read_until_ready(client)
    took = time.monotonic() - begin
    for client in clients:
        client.close()
    return {"servers": slow.opened - already, "seconds": took - slow.query_seconds,
            "connect_delay_seconds": slow.delay_seconds}
