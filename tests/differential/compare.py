"""The differential test by hand, and what its pytest cases are made of.

    python3 -m tests.differential.compare [--seed N] [--runs N] [--mode MODE] [--backend B]

One scenario: some clients, each with a connection straight to PostgreSQL and one through howdah.
Step by step, the same messages go both ways, and the answers must be equal message by message.
"""

import argparse
import contextlib
import random
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path

from tests.differential.generator import MARKS, Generator, Step
from tests.proxy import wire_client as wire
from tools import process, proxy
from tools.pgcluster import FAST, Cluster

CLIENTS = 3
USER, PASSWORD = "app", "app-secret"
DATABASES = {"direct": "diff_direct", "howdah": "diff_howdah"}
MODES, BACKENDS = ("session", "transaction"), ("epoll", "io_uring")
RERUN = "python3 -m tests.differential.compare --seed {} --runs 1 --mode {} --backend {}"


class Difference(AssertionError):
    """PostgreSQL and howdah did not say the same."""


def prepare_databases(primary) -> None:
    """Two databases that are equal to the last oid; each belongs to the ordinary user."""
    primary.sql(f"create role other_role; grant other_role to {USER}; "
                # A placeholder stays in a server once anybody has set it: let it be there always.
                f"alter role {USER} set app.colour = 'none'")
    first, second = DATABASES.values()
    primary.sql(f"create database {first} owner {USER}")
    primary.sql(f"set role {USER}; create sequence counter; grant all on sequence counter to "
                "public; create table numbers as select i from generate_series(1, 6) i; "
                "grant select on numbers to public", first)
    primary.sql(f"create database {second} template {first} owner {USER}")


def settings(mode: str, backend: str) -> dict[str, str]:
    return {"pool_mode": mode, "backend": backend, "default_pool_size": str(CLIENTS + 1),
            "server_round_robin": "1", "query_wait_timeout": "15"}


class Side:
    """One way to the database: where to connect, and this scenario's clients."""

    def __init__(self, uri: str):
        self.uri = uri
        self.clients: list[wire.Client] = []
        self.statuses: list[dict] = []

    def connect(self, count: int) -> None:
        self.clients = [wire.Client(self.uri, timeout=20) for _ in range(count)]
        self.statuses = [{} for _ in self.clients]
        for number, client in enumerate(self.clients):
            self.note(number, client.greeting)

    def note(self, number: int, messages: list[wire.Message]) -> None:
        for one in messages:
            if one.type == "S":
                name, value = one.body.split(b"\0")[:2]
                self.statuses[number][name.decode()] = value.decode()

    def ask(self, number: int, step: Step) -> list[wire.Message]:
        client = self.clients[number]
        messages: list[wire.Message] = []
        try:
            client.send(*step.messages)
            self.read_step(client, step, messages)
        except TimeoutError:
            messages.append(wire.Message("!", b"no answer"))
        except (EOFError, ConnectionError):
            messages.append(wire.Message("!", b"closed"))
        self.note(number, messages)
        return messages

    @staticmethod
    def read_step(client: wire.Client, step: Step, messages: list[wire.Message]) -> None:
        closed = readies = 0
        while True:
            messages.append(client.receive())
            kind = messages[-1].type
            if kind in "SN":
                continue
            readies += kind == "Z"
            if step.readies and readies == step.readies:
                return
            if step.flushed and (kind == "E" or closed + (kind == "3") >= MARKS):
                return
            if kind == "Z" and closed >= MARKS and not step.readies:
                return
            closed = closed + 1 if kind == "3" else 0

    def close(self) -> None:
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.send(wire.TERMINATE)
            client.close()
        self.clients = []


MASKS = ((re.compile(r"pg_(toast_)?temp_\d+"), "pg_temp"),
         # Names the message that broke the COPY, which may have been one of howdah's.
         (re.compile(r"unexpected message type 0x[0-9A-F]+"), "unexpected message type"))


def masked(text: str) -> str:
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text


def refused_early(expected: list[tuple], got: list[tuple]) -> bool:
    """In a failed transaction, a statement that is not on this server cannot be brought there: the
    client hears that the transaction has failed where PostgreSQL may have found another fault."""
    same = 0
    while same < min(len(expected), len(got)) and expected[same] == got[same]:
        same += 1
    return (same < min(len(expected), len(got)) and "C=25P02" in got[same]
            and "R=exec_parse_message" in got[same] and got[-1][0] == expected[-1][0])


def shown(messages: list[wire.Message]) -> list[tuple]:
    """What must be equal. Table oids and temporary schemas are numbers of one server alone."""
    seen = []
    for one in messages:
        if one.type == "S":
            continue
        if one.type in "EN":
            seen.append((one.type, *(masked(f"{k}={v}") for k, v in wire.fields(one).items())))
        elif one.type == "T":
            seen.append(("T", *columns(one.body)))
        else:
            seen.append((one.type, one.body))
    return seen


def columns(body: bytes) -> list[tuple]:
    count, at, found = struct.unpack("!h", body[:2])[0], 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        table, *rest = struct.unpack("!ihihih", body[end + 1:end + 19])
        found.append((body[at:end].decode(), table != 0, *rest))
        at = end + 19
    return found


def lines(entries: list[tuple]) -> str:
    return "\n".join(f"      {' '.join(str(part)[:300] for part in one)}" for one in entries)


class Crash(Exception):
    """PostgreSQL itself has ended, and all of its connections with it: nothing to compare."""


class Scenario:
    """The clients of one seed."""

    def __init__(self, seed: int, sides: dict[str, Side], mode: str, backend: str):
        self.seed, self.sides, self.mode, self.backend = seed, sides, mode, backend
        self.random = random.Random(seed)
        self.count = self.random.randint(1, CLIENTS)
        self.generators = [Generator(seed * 100 + i, i) for i in range(self.count)]
        self.open = [False] * self.count  # a Flush was sent and no Sync yet
        self.log: list[str] = []

    def run(self) -> int:
        for side in self.sides.values():
            side.connect(self.count)
        try:
            steps = self.random.randint(8, 30)
            for done in range(steps):
                if not self.one_step():
                    return done
            return steps
        finally:
            for side in self.sides.values():
                side.close()

    def one_step(self) -> bool:
        """False: PostgreSQL has hung up on the client, which ends the scenario."""
        number = self.random.randrange(self.count)
        generator = self.generators[number]
        if self.open[number]:
            step = generator.end_step()
            self.open[number] = False
        elif self.random.random() < 0.1:
            step = generator.flush_step()
            self.open[number] = True
        else:
            step = generator.step()
        self.log.append(f"client {number}: {step.says}")
        expected, got = (self.sides[name].ask(number, step) for name in ("direct", "howdah"))
        one, other = shown(expected), shown(got)
        if one[-1] == ("!", b"closed") and not any("S=FATAL" in message for message in one):
            raise Crash(f"seed {self.seed}: PostgreSQL itself ended without a word")
        if one != other and not refused_early(one, other):
            raise Difference(self.report(one, other))
        told = [self.sides[name].statuses[number] for name in ("direct", "howdah")]
        if told[0] != told[1]:
            keys = [k for k in told[0] if told[0][k] != told[1].get(k)]
            raise Difference(self.report([(k, told[0][k]) for k in keys],
                                         [(k, told[1].get(k)) for k in keys]))
        return expected[-1].type != "!"

    def report(self, expected: list[tuple], got: list[tuple]) -> str:
        same = 0
        while same < min(len(expected), len(got)) and expected[same] == got[same]:
            same += 1
        steps = "\n".join(f"    {line[:1500]}" for line in self.log)
        return (f"seed {self.seed}, {self.mode} mode, {self.backend}: PostgreSQL and howdah differ "
                f"after {same} equal messages of the last step\n{steps}\n"
                f"    PostgreSQL:\n{lines(expected[same:same + 6])}\n"
                f"    howdah:\n{lines(got[same:same + 6])}\n"
                f"  rerun: {RERUN.format(self.seed, self.mode, self.backend)}")


class Bench:
    """One howdah in front of the cluster, and the tables the scenarios write to."""

    def __init__(self, primary, uri_of, mode: str, backend: str):
        self.primary, self.mode, self.backend = primary, mode, backend
        self.uris = {"direct": primary.uri(USER, PASSWORD, DATABASES["direct"]),
                     "howdah": uri_of(DATABASES["howdah"])}
        self.log_in()

    def log_in(self) -> None:
        self.owners = [wire.Client(self.primary.uri(USER, PASSWORD, name))
                       for name in DATABASES.values()]

    def reset(self) -> None:
        """Waits for the locks of the scenario before: nobody may keep a transaction open."""
        sql = "set lock_timeout = '15s'; " + "; ".join(
            f"drop table if exists mine{i}, extra{i}; create table mine{i}(i int); "
            f"grant all on mine{i} to public" for i in range(CLIENTS))
        for owner in self.owners:
            bad = [one for one in owner.ask(wire.query(sql)) if one.type == "E"]
            if bad:
                raise Difference(f"a transaction was left open: {wire.fields(bad[0])}")

    def run(self, seed: int) -> int:
        self.reset()
        sides = {name: Side(uri) for name, uri in self.uris.items()}
        try:
            return Scenario(seed, sides, self.mode, self.backend).run()
        except Crash as crash:
            print(crash, flush=True)
            self.close()
            process.wait_until(self.logs_in, 60, "PostgreSQL after its crash")
            return 0

    def logs_in(self) -> bool:
        with contextlib.suppress(OSError, EOFError, AssertionError):
            self.log_in()
            return True
        return False

    def close(self) -> None:
        for owner in self.owners:
            owner.close()


@contextlib.contextmanager
def by_hand(mode: str, backend: str):
    folder = Path(tempfile.mkdtemp(prefix="howdah-diff-"))
    process.give_to_server_user(folder)
    (folder / "proxy").mkdir()
    process.give_to_server_user(folder / "proxy")
    try:
        with Cluster(folder, settings=FAST) as cluster:
            cluster.primary.sql(f"create role {USER} login password '{PASSWORD}'")
            prepare_databases(cluster.primary)
            one = proxy.Proxy(folder / "proxy", {USER: PASSWORD}, settings=settings(mode, backend),
                              databases={"*": f"host=127.0.0.1 port={cluster.primary.port}"})
            one.start()
            try:
                yield Bench(cluster.primary, one.uri, mode, backend)
            finally:
                one.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.differential.compare")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--mode", choices=MODES, default="transaction")
    parser.add_argument("--backend", choices=BACKENDS, default="epoll")
    parser.add_argument("--keep-going", action="store_true")
    chosen = parser.parse_args()
    failed = steps = 0
    with by_hand(chosen.mode, chosen.backend) as bench:
        for seed in range(chosen.seed, chosen.seed + chosen.runs):
            try:
                steps += bench.run(seed)
            except Difference as difference:
                failed += 1
                print(difference, flush=True)
                if not chosen.keep_going:
                    break
    print(f"{chosen.mode} {chosen.backend}: {steps} steps, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
