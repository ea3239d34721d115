"""The loads of the soak: each is a thread that does one thing until the end, come what may.

Servers are killed and the pooler is paused under them, so a round of a load may fail; what counts is
that rounds succeed again and again, and that the pooler survives.
"""

import contextlib
import os
import random
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


class Place:
    """Where the loads run: addresses, and when to stop."""

    def __init__(self, *, cluster, pooler, uri, session_uri, http_port: int, seconds: float):
        self.cluster, self.pooler = cluster, pooler
        self.uri, self.session_uri = uri, session_uri
        self.http_port = http_port
        self.ends = time.monotonic() + seconds
        self.stopping = threading.Event()

    def over(self) -> bool:
        return self.stopping.is_set() or time.monotonic() >= self.ends

    def any_uri(self, chance: random.Random) -> str:
        uri = chance.choice((self.uri, self.session_uri))
        return uri + chance.choice(("", "?sslmode=require"))


class Load:
    """One kind of load; round() is repeated, and raises when it did not come off."""

    def __init__(self, name: str, place: Place, round_of, seed: int):
        self.name, self.place, self.round_of = name, place, round_of
        self.chance = random.Random(seed)
        self.done = self.failed = 0
        self.last_failure = ""
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)

    def run(self) -> None:
        while not self.place.over():
            try:
                self.round_of(self.place, self.chance)
                self.done += 1
            except Exception as error:  # whatever a killed server does to a driver
                self.failed += 1
                self.last_failure = f"{type(error).__name__}: {error}"[:200]
                self.place.stopping.wait(0.1)

    def line(self) -> str:
        why = f" ({self.last_failure})" if self.failed else ""
        return f"{self.name:12} {self.done:6} rounds, {self.failed} failed{why}"


def pgbench(*options: str):
    def round_of(place: Place, chance: random.Random) -> None:
        command = [BIN / "pgbench", "-n", "-c", str(chance.randint(1, 12)), "-T",
                   str(ROUND_SECONDS), *options, place.any_uri(chance)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90,
                              env=process.clean_environment())
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip()[-150:])
    return round_of


def connect(place: Place, chance: random.Random) -> psycopg.Connection:
    return psycopg.connect(place.any_uri(chance), autocommit=True, connect_timeout=20)


def cancels(place: Place, chance: random.Random) -> None:
    with connect(place, chance) as connection:
        for _ in range(10):
            timer = threading.Timer(chance.random() / 20, connection.cancel)
            timer.start()
            try:
                connection.execute("select pg_sleep(0.03)")
            except psycopg.errors.QueryCanceled:
                pass
            finally:
                timer.join()


def notifications(place: Place, chance: random.Random) -> None:
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


def copies(place: Place, chance: random.Random) -> None:
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


def slow_reader(place: Place, chance: random.Random) -> None:
    client = wire.Client(place.uri, timeout=60)
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


def vanish(place: Place, chance: random.Random) -> None:
    """Says half of something and is gone."""
    client = wire.Client(chance.choice((place.uri, place.session_uri)), timeout=20)
    said = b"".join(m for _ in range(3) for m in Generator(chance.getrandbits(30), 0).step().messages)
    client.send(said[:chance.randint(0, len(said))])
    place.stopping.wait(chance.random() / 20)
    if chance.random() < 0.5:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def chatter(place: Place, chance: random.Random) -> None:
    """Messages in any order; the answers are the differential test's business."""
    client = wire.Client(chance.choice((place.uri, place.session_uri)), timeout=30)
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
    uri = place.uri.rsplit("/", 1)[0] + "/howdah"
    with contextlib.closing(wire.Client(uri, timeout=60)) as client:
        for word in ("show pools", "show clients", "show servers", "show stats", "show config",
                     "show mem", "show sockets", "reload", "reconnect", "pause", "resume"):
            try:
                answer = client.ask(wire.query(word))
                if answer[0].type == "E" and word not in ("pause", "resume"):
                    raise RuntimeError(f"{word}: {wire.fields(answer[0])}")
            finally:
                if word == "pause":
                    client.ask(wire.query("resume"))
            place.stopping.wait(0.05)
    place.stopping.wait(0.5)


def hang_up(place: Place, chance: random.Random) -> None:
    """SIGHUP, as after a change of the configuration."""
    place.pooler.process.send_signal(signal.SIGHUP)
    place.stopping.wait(1)


def scrape(place: Place, chance: random.Random) -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{place.http_port}{path}",
                                        timeout=30) as page:
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
        place.cluster.primary.restart(chance.choice((signal.SIGINT, signal.SIGQUIT)))
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
             "notify": notifications, "copies": copies, "slow": slow_reader, "vanish": vanish,
             "chatter": chatter, "console": console, "hangup": hang_up, "scrape": scrape,
             "kills": kills}
    return [Load(name, place, round_of, seed) for seed, (name, round_of) in enumerate(kinds.items())]
