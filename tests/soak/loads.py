"""The loads of the soak: each is a thread that does one thing until the end, come what may.

Servers are killed and the pooler is paused under them, so a round of a load may fail; what counts is
that rounds succeed again and again, and that the pooler survives.
"""

import contextlib
import os
import queue
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

import psycopg

from tests.differential.generator import Generator
from tests.proxy import wire_client as wire
from tools import process
from tools.pgcluster import BIN

ROUND_SECONDS = 5
TRANSACTIONS = re.compile(r"actually processed: (\d+)")
UNITS = {**dict.fromkeys(("simple", "extended", "prepared", "tpcb", "reconnect"), "transactions"),
         "cancels": "cancelled", "copies": "rows", "slow": "rows", "loops": "queries",
         "pour": "bytes"}


class Place:
    """Where the loads run: the poolers, one a backend, and when to stop."""

    def __init__(self, *, cluster, poolers, seconds: float):
        self.cluster, self.poolers = cluster, poolers
        self.ends = time.monotonic() + seconds
        self.stopping = threading.Event()
        self.restarts: queue.Queue = queue.Queue()  # (signal, event that it is done)

    def restart(self, how: int) -> None:
        """Restarts PostgreSQL, by the main thread: it would end with the thread that started it."""
        done = threading.Event()
        self.restarts.put((how, done))
        while not done.wait(0.1) and not self.over():
            pass

    def serve_restarts(self) -> None:
        with contextlib.suppress(queue.Empty):
            how, done = self.restarts.get_nowait()
            self.cluster.primary.restart(how)
            done.set()

    def over(self) -> bool:
        return self.stopping.is_set() or time.monotonic() >= self.ends

    def pooler(self, chance: random.Random):
        return chance.choice(self.poolers)

    def uri(self, chance: random.Random) -> str:
        return self.pooler(chance).uri("soak")

    def any_uri(self, chance: random.Random) -> str:
        return self.pooler(chance).uri(chance.choice(("soak", "soak_session")))

    def driver_uri(self, chance: random.Random) -> str:
        return self.any_uri(chance) + chance.choice(("", "?sslmode=require"))


class Load:
    """One kind of load; round() is repeated, and raises when it did not come off."""

    def __init__(self, name: str, place: Place, round_of, seed: int):
        self.name, self.place, self.round_of = name, place, round_of
        self.chance = random.Random(seed)
        self.done = self.failed = 0
        self.amount = 0  # of what a round says it did: transactions, rows
        self.last_failure = ""
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)

    def run(self) -> None:
        while not self.place.over():
            try:
                self.amount += self.round_of(self.place, self.chance) or 0
                self.done += 1
            except Exception as error:  # whatever a killed server does to a driver
                self.failed += 1
                self.last_failure = f"{type(error).__name__}: {error}"[:200]
                self.place.stopping.wait(0.1)

    def line(self) -> str:
        why = f" ({self.last_failure})" if self.failed else ""
        much = f", {self.amount} {UNITS[self.name]}" if self.name in UNITS else ""
        return f"{self.name:12} {self.done:6} rounds{much}, {self.failed} failed{why}"


def pgbench(*options: str):
    def round_of(place: Place, chance: random.Random) -> int:
        command = [BIN / "pgbench", "-n", "-c", str(chance.randint(1, 12)), "-T",
                   str(ROUND_SECONDS), *options, place.driver_uri(chance)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90,
                              env=process.clean_environment())
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-150:])
        return int(TRANSACTIONS.search(done.stdout)[1])
    return round_of


def connect(place: Place, chance: random.Random) -> psycopg.Connection:
    return psycopg.connect(place.driver_uri(chance), autocommit=True, connect_timeout=20)


def cancels(place: Place, chance: random.Random) -> int:
    cancelled = 0
    with connect(place, chance) as connection:
        for _ in range(10):
            timer = threading.Timer(chance.random() / 20, connection.cancel)
            timer.start()
            try:
                connection.execute("select pg_sleep(0.03)")
            except psycopg.errors.QueryCanceled:
                cancelled += 1
            finally:
                timer.join()
    return cancelled


def notifications(place: Place, chance: random.Random) -> None:
    # Through different poolers now and then: NOTIFY is the server's.
    with connect(place, chance) as listener, connect(place, chance) as speaker:
        listener.execute("listen soak")
        for _ in range(5):
            mark = str(chance.random())
            speaker.execute("select pg_notify('soak', %s)", (mark,))
            ends = time.monotonic() + 20
            while not any(note.payload == mark for note in arrived(listener)):
                if time.monotonic() > ends:
                    raise TimeoutError("a notification did not arrive")
        listener.execute("unlisten *")


def arrived(listener: psycopg.Connection) -> list:
    """What has come by now: an empty query brings it."""
    notes: list = []
    listener.add_notify_handler(notes.append)
    listener.execute("select 1")
    listener.remove_notify_handler(notes.append)
    return notes


def copies(place: Place, chance: random.Random) -> int:
    with connect(place, chance) as connection, connection.transaction():
        connection.execute("create temp table copied(i int, t text) on commit drop")
        rows = chance.randint(1, 20_000)
        with connection.cursor() as cursor:
            with cursor.copy("copy copied from stdin") as copy:
                for i in range(rows):
                    copy.write_row((i, "x" * 50))
            with cursor.copy("copy copied to stdout") as copy:
                received = sum(bytes(block).count(b"\n") for block in copy)
        if received != rows:
            raise AssertionError(f"{rows} rows went in, {received} came out")
    return 2 * rows


def slow_reader(place: Place, chance: random.Random) -> int:
    client = wire.Client(place.uri(chance), timeout=60)
    try:
        client.send(wire.query("select repeat('z', 1000) from generate_series(1, 20000)"))
        rows = 0
        while True:
            one = client.receive()
            rows += one.type == "D"
            if one.type == "Z":
                break
            if rows % 500 == 0:
                place.stopping.wait(0.01)
        if rows != 20_000:
            raise AssertionError(f"{rows} rows of 20000")
    finally:
        client.close()
    return rows


def loops(place: Place, chance: random.Random) -> int:
    """What insight is there for: a query for each row of another, with tags."""
    tags = f"/*route='/soak',action='{chance.randrange(50)}'*/"
    with connect(place, chance) as connection:
        rows = connection.execute(f"select aid, bid from pgbench_accounts where aid % 9973 = "
                                  f"{chance.randrange(9973)} {tags}").fetchall()
        for aid, _ in rows:
            connection.execute(f"select abalance from pgbench_accounts where aid = %s {tags}",
                               (aid,), prepare=chance.random() < 0.5)
        for number in range(20):  # literals inlined, and an error
            connection.execute(f"select {chance.randrange(10**9)}, 'x{number}' {tags}")
        with contextlib.suppress(psycopg.errors.UndefinedColumn):
            connection.execute("select no_such_column from pgbench_branches")
    return 22 + len(rows)


def vanish(place: Place, chance: random.Random) -> None:
    """Says half of something and is gone."""
    client = wire.Client(place.any_uri(chance), timeout=20)
    said = b"".join(m for _ in range(3) for m in Generator(chance.getrandbits(30), 0).step().messages)
    client.send(said[:chance.randint(0, len(said))])
    place.stopping.wait(chance.random() / 20)
    if chance.random() < 0.5:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def pour(place: Place, chance: random.Random) -> int:
    """Says far more than is read ahead, reads nothing of what is answered, and is gone."""
    client = wire.Client(place.any_uri(chance), timeout=20)
    large = wire.parse("", f"select 1 /* {'x' * chance.randrange(1, 60_000)} */")
    if chance.random() < 0.5:
        client.ask(*[large] * (8_000_000 // len(large)), wire.SYNC)  # sockets grow
    said = wire.query(f"select pg_sleep({chance.random() / 2})")
    skipped = chance.random() < 0.5  # up to a Sync that never comes
    said += wire.parse("", "nonsense") if skipped else b""
    for _ in range(chance.randrange(3_000_000 // len(large) + 1)):
        sync = b"" if skipped else chance.choice((b"", wire.SYNC))
        said += large + wire.bind("", "") + wire.execute() + sync
    client.socket.settimeout(chance.random() / 4)
    with contextlib.suppress(OSError):
        client.socket.sendall(said)
    if chance.random() < 0.7:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return len(said)


def chatter(place: Place, chance: random.Random) -> None:
    """Messages in any order; the answers are the differential test's business."""
    client = wire.Client(place.any_uri(chance), timeout=30)
    generator = Generator(chance.getrandbits(30), chance.randrange(3))
    try:
        for _ in range(20):
            step = generator.step()
            client.send(*step.messages, wire.SYNC, wire.query("rollback"), wire.query("select 7"))
            while client.receive() != wire.Message("D", b"\0\1\0\0\0\0017"):
                pass
            client.until("Z")
    finally:
        client.close()


def console(place: Place, chance: random.Random) -> None:
    undo = {"pause": "resume", "pause soak": "resume soak", "disable soak_session":
            "enable soak_session", "suspend": "resume", "kill soak_session": "resume soak_session"}
    uri = place.pooler(chance).uri("howdah")
    with contextlib.closing(wire.Client(uri, timeout=60)) as client:
        for word in ("show pools", "show clients", "show servers", "show stats", "show config",
                     "show mem", "show sockets", "show queries", "show findings", "reload",
                     "reconnect", chance.choice(tuple(undo))):
            try:
                answer = client.ask(wire.query(word))
                if answer[0].type == "E" and word not in undo:
                    raise RuntimeError(f"{word}: {wire.fields(answer[0])}")
            finally:
                if word in undo:
                    client.ask(wire.query(undo[word]))
            place.stopping.wait(0.05)
    place.stopping.wait(0.5)


def hang_up(place: Place, chance: random.Random) -> None:
    """SIGHUP, as after a change of the configuration."""
    place.pooler(chance).process.send_signal(signal.SIGHUP)
    place.stopping.wait(1)


def scrape(place: Place, chance: random.Random) -> None:
    port = place.pooler(chance).http_port
    for path in ("/metrics", "/healthz", "/readyz", "/api/pools", "/api/findings",
                 "/api/queries?limit=500&sort=calls", "/api/queries?tag=route%3D%2Fsoak"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as page:
                if not page.read():
                    raise AssertionError(f"{path} is empty")
        except urllib.error.HTTPError as refusal:
            text = refusal.read().decode()
            if path != "/readyz" or '"ready":false' not in text:
                raise RuntimeError(f"{path}: {refusal.code} {text}") from None
    place.stopping.wait(0.2)


def kills(place: Place, chance: random.Random) -> None:
    """Ends some servers' processes; PostgreSQL as a whole now and then."""
    place.stopping.wait(3)
    if chance.random() < 0.05:
        place.restart(chance.choice((signal.SIGINT, signal.SIGQUIT)))
        return
    pids = place.cluster.primary.sql(
        "select pid from pg_stat_activity where usename = 'app' order by random() limit 3").split()
    for pid in pids:
        if chance.random() < 0.5:
            place.cluster.primary.sql(f"select pg_terminate_backend({pid})")
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)


def all_loads(place: Place) -> list[Load]:
    kinds = {"simple": pgbench("-S"), "extended": pgbench("-S", "-M", "extended"),
             "prepared": pgbench("-S", "-M", "prepared"), "tpcb": pgbench("-M", "prepared"),
             "reconnect": pgbench("-S", "-C"), "cancels": cancels,
             "notify": notifications, "copies": copies, "slow": slow_reader, "loops": loops,
             "vanish": vanish, "pour": pour,
             "chatter": chatter, "console": console, "hangup": hang_up, "scrape": scrape,
             "kills": kills}
    return [Load(name, place, round_of, seed) for seed, (name, round_of) in enumerate(kinds.items())]
