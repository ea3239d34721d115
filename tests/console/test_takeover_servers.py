"""A new process takes over (-R) clients whose server is their own: both move, between transactions."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
from concurrent import futures

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire
from tools import process
from tools.pgcluster import BIN

BACKENDS = ["io_uring", "epoll"]


class Takeovers:
    """The process that runs now, and those that take over from it, one after the other."""

    def __init__(self, first, folder):
        self.first, self.folder = first, folder
        self.now = first.process
        self.count = 0
        self.later = []

    def log(self) -> str:
        return (self.folder / f"new{self.count}.log").read_text()

    def begin(self) -> None:
        self.count += 1
        new = process.spawn([*self.first.command()[:1], "-R", str(self.first.file)],
                            self.folder / f"new{self.count}.log",
                            keep_user=not process.can_reach(self.first.binary.parent))
        self.later.append(new)
        process.wait_until(lambda: "process up" in self.log(), 10, "the new process")

    def end(self) -> None:
        before = self.now
        process.wait_until(lambda: before.poll() is not None, 20, "the old process's end")
        self.now = self.later[-1]

    def run(self) -> None:
        self.begin()
        self.end()

    def stop(self) -> None:
        for one in self.later:
            process.stop(one)


@pytest.fixture
def takeovers(run_folder, start_howdah):
    with contextlib.ExitStack() as stack:
        def start(name: str, **settings) -> Takeovers:
            folder = run_folder / f"proxy-{name}"
            found = Takeovers(start_howdah(name, unix_socket_dir=str(folder), **settings), folder)
            stack.callback(found.stop)
            return found
        yield start


def pid_of(client) -> int:
    return client.execute("select pg_backend_pid()").fetchone()[0]


def pins_of(takeover, database) -> list[str]:
    with psycopg.connect(takeover.first.uri("howdah"), autocommit=True) as console:
        shown = console.execute("SHOW CLIENTS")
        columns = [column.name for column in shown.description]
        rows = [dict(zip(columns, row)) for row in shown.fetchall()]
    return [row["pins"] for row in rows if row["database"] == database]


@pytest.mark.parametrize("backend", BACKENDS)
def test_session_mode(takeovers, new_database, cluster, backend):
    takeover = takeovers(f"takeover-session-{backend}", pool_mode="session", backend=backend,
                         server_fast_close="1")
    database = new_database(f"takeover_session_{backend}")
    uri = takeover.first.uri(database)
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, database), autocommit=True) as admin:
        admin.execute("create sequence numbers")
        clients = [psycopg.connect(uri, autocommit=True, prepare_threshold=0) for _ in range(3)]
        listener = psycopg.connect(uri, autocommit=True)
        pids = [pid_of(one) for one in [*clients, listener]]
        listener.execute("listen news")
        for number, client in enumerate(clients):
            client.execute("create temp table mine as select %s::int as v", (number,))
            client.execute(f"set work_mem = '{number + 1}MB'")
            client.execute(f"prepare p as select {number}")
            client.execute("select pg_advisory_lock(%s)", (number,))
            client.execute("select nextval('numbers')")
        for turn in range(2):
            takeover.run()
            for number, client in enumerate(clients):
                assert client.execute("select v from mine").fetchone() == (number,)
                assert client.execute("show work_mem").fetchone() == (f"{number + 1}MB",)
                assert client.execute("execute p").fetchone() == (number,)
                assert client.execute("select currval('numbers')").fetchone() == (number + 1,)
                assert client.execute("select %s::int", (number,)).fetchone() == (number,)
            assert [pid_of(one) for one in [*clients, listener]] == pids
            held = admin.execute("select count(*) from pg_locks where locktype = 'advisory'")
            assert held.fetchone() == (3,)
            admin.execute(f"notify news, 'turn {turn}'")
            assert next(listener.notifies()).payload == f"turn {turn}"
        late = threading.Timer(0.5, clients[0].cancel)
        late.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            clients[0].execute("select pg_sleep(20)")
        late.join()
        # Nobody else is lent a server that came from elsewhere.
        for client in [*clients, listener]:
            client.close()
        process.wait_until(lambda: admin.execute(
            "select count(*) from pg_stat_activity where pid = any(%s)", (pids,)).fetchone() == (0,),
                           10, "the end of the servers that moved")
        with psycopg.connect(uri) as other:
            assert pid_of(other) not in pids


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pin(takeovers, new_database, backend):
    takeover = takeovers(f"takeover-pin-{backend}", pool_mode="transaction", backend=backend,
                         default_pool_size="1")
    database = new_database(f"takeover_pin_{backend}")
    uri = takeover.first.uri(database)
    with psycopg.connect(uri, autocommit=True, prepare_threshold=0) as client:
        for number in range(3):
            assert client.execute(f"select {number} + %s", (1,)).fetchone() == (number + 1,)
        client.execute("prepare mine as select 'mine'")
        assert client.execute("execute mine").fetchone() == ("mine",)
        client.execute("create temp table kept as select 7 as v")
        client.execute("set application_name = 'pinned one'")
        pid = pid_of(client)
        assert pins_of(takeover, database) == ["temporary object"]
        takeover.run()
        takeover.run()
        assert pins_of(takeover, database) == ["temporary object"]
        assert client.execute("select v from kept").fetchone() == (7,)
        assert pid_of(client) == pid
        assert client.execute("execute mine").fetchone() == ("mine",)
        # Names of the processes before are on the server no more, and ours do not clash with them.
        for number in range(5):
            assert client.execute(f"select {number} + %s", (1,)).fetchone() == (number + 1,)
        names = [row[0] for row in client.execute("select name from pg_prepared_statements",
                                                  prepare=False).fetchall()]
        assert len(names) == len(set(names)) <= 8, names
        client.execute("drop table kept")  # psycopg says DEALLOCATE ALL after it
        process.wait_until(lambda: pins_of(takeover, database) == [""], 10, "no pin any more")
        # Its own server ended with the pin: the pool's one place is free for others.
        with psycopg.connect(uri, autocommit=True) as other:
            assert pid_of(other) != pid
        assert client.execute("show application_name").fetchone() == ("pinned one",)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_what_was_parsed_is_bound_after_the_move(takeovers, new_database, mode):
    takeover = takeovers(f"takeover-parsed-{mode}", pool_mode=mode)
    client = wire.Client(takeover.first.uri(new_database(f"takeover_parsed_{mode}")))
    with contextlib.closing(client):
        client.ask(wire.parse("", "select 'unnamed'"), wire.parse("s", "select 's'"), wire.SYNC)
        for _ in range(2):
            takeover.run()
            answer = client.ask(wire.bind("", ""), wire.execute(), wire.bind("", "s"),
                                wire.execute(), wire.SYNC)
            assert [one.body[6:] for one in answer if one.type == "D"] == [b"unnamed", b"s"]


def test_in_a_transaction_it_waits(takeovers, new_database):
    takeover = takeovers("takeover-waits", pool_mode="session")
    database = new_database("takeover_waits")
    with psycopg.connect(takeover.first.uri(database), autocommit=True) as client:
        client.execute("create temp table mine (v int)")
        client.execute("begin")
        client.execute("insert into mine values (1)")
        takeover.begin()
        client.execute("insert into mine values (2)")
        assert takeover.now.poll() is None
        client.execute("commit")
        takeover.end()
        assert client.execute("select sum(v) from mine").fetchone() == (3,)


def test_a_session_keeps_its_server_under_another_pool_mode(takeovers, new_database):
    takeover = takeovers("takeover-mode", pool_mode="session")
    database = new_database("takeover_mode")
    with psycopg.connect(takeover.first.uri(database), autocommit=True) as client:
        pid = pid_of(client)
        client.execute("set app.tenant = '7'")
        text = takeover.first.file.read_text()
        takeover.first.file.write_text(text.replace('"session"', '"transaction"'))
        takeover.run()
        client.execute("set work_mem = '3MB'")
        client.execute("select pg_advisory_lock(1), pg_advisory_unlock(1)")
        assert client.execute("show app.tenant").fetchone() == ("7",)
        assert pid_of(client) == pid
        with psycopg.connect(takeover.first.uri(database), autocommit=True) as other:
            assert pid_of(other) != pid
            assert other.execute("show work_mem").fetchone() != ("3MB",)


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_who_waits_moves_and_waits_there(takeovers, new_database, cluster, mode, backend):
    """The new process's pool has no more servers than the old one's, however many wait."""
    takeover = takeovers(f"takeover-queue-{mode}-{backend}", pool_mode=mode, backend=backend,
                         default_pool_size="2")
    database = new_database(f"takeover_queue_{mode}_{backend}")
    uri = takeover.first.uri(database)
    held = [psycopg.connect(uri, autocommit=True) for _ in range(2)]
    for client in held:
        client.execute("begin")
    waiting = [wire.Client(uri) for _ in range(10)]
    for client in waiting:
        client.send(wire.query("select 'answered'"))
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, database), autocommit=True) as admin:
        seen = []

        def servers() -> int:
            seen.append(admin.execute("select count(*) from pg_stat_activity where datname = %s "
                                      "and pid <> pg_backend_pid()", (database,)).fetchone()[0])
            return seen[-1]
        assert servers() == 2
        takeover.begin()
        for client in held:
            client.execute("commit")
        takeover.end()
        if mode == "session":
            for client in held:
                client.close()

        def answer_of(client) -> list[bytes]:
            with contextlib.closing(client):
                return [one.body[6:] for one in client.until("Z") if one.type == "D"]
        with futures.ThreadPoolExecutor(len(waiting)) as threads:
            answers = [threads.submit(answer_of, client) for client in waiting]
            process.wait_until(lambda: servers() and all(one.done() for one in answers), 20,
                               "answers")
        assert [one.result() for one in answers] == [[b"answered"]] * len(waiting)
        # In transaction mode the old process's two may be there beside the new one's.
        assert max(seen) <= (2 if mode == "session" else 4), seen
    for client in held:
        client.close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_under_load(takeovers, new_database, tmp_path, mode, backend):
    """Temporary tables and prepared statements all along; nobody loses anything on the way."""
    takeover = takeovers(f"takeover-load-{mode}-{backend}", pool_mode=mode, backend=backend)
    database = new_database(f"takeover_load_{mode}_{backend}")
    script = tmp_path / "script.sql"
    script.write_text("set client_min_messages = warning;\n"
                      "create temp table if not exists mine (v int);\n"
                      "begin;\nselect 1;\nselect :client_id;\nend;\n"
                      "insert into mine values (:client_id);\n"
                      "select 1 / (count(v) - count(v) filter (where v <> :client_id)) from mine;\n")
    out = tmp_path / "pgbench"
    with out.open("w") as log:
        bench = subprocess.Popen(
            [BIN / "pgbench", "-n", "-M", "prepared", "-c", "8", "-T", "4", "-f", script,
             takeover.first.uri(database)], stdout=log, stderr=log, env=process.clean_environment())
    try:
        with psycopg.connect(takeover.first.uri("howdah"), autocommit=True,
                             prepare_threshold=None) as console:
            process.wait_until(lambda: console.execute("SHOW CLIENTS").rowcount > 8, 20, "clients")
        while bench.poll() is None:
            takeover.run()
        assert bench.returncode == 0 and takeover.count > 1, out.read_text()
    finally:
        process.stop(bench)


class Taker:
    """A process that begins to take over, by hand; of the same user, as it must be."""

    def __init__(self, takeover: Takeovers):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        own = os.geteuid()
        try:
            os.seteuid(os.stat(f"/proc/{takeover.now.pid}").st_uid)
            self.socket.connect(str(takeover.folder / f".s.PGSQL.{takeover.first.port}"))
        finally:
            os.seteuid(own)
        start = b"\0\3\0\0user\0pgbouncer\0database\0pgbouncer\0\0"
        self.socket.sendall(struct.pack("!I", len(start) + 4) + start)
        self.until_ready()

    def until_ready(self) -> bytes:
        got = b""
        while not got.endswith(b"Z\0\0\0\5I"):
            more = self.socket.recv(4096)
            assert more, got
            got += more
        return got

    def ask(self, sql: str) -> bytes:
        self.socket.sendall(wire.query(sql))
        return self.until_ready()


def test_another_format_is_refused(takeovers):
    takeover = takeovers("takeover-format", pool_mode="session")
    taker = Taker(takeover)
    with contextlib.closing(taker.socket):
        assert b"only for a process that takes over" in taker.ask("TAKE_CLIENTS 3")
        taker.ask("SHOW FDS")
        for other in ("TAKE_CLIENTS", "TAKE_CLIENTS 2"):
            assert b"clients are handed over in format 3" in taker.ask(other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_who_cannot_be_sent_stays(takeovers, new_database, backend):
    """The other process hears nothing any more when client and server are on their way."""
    takeover = takeovers(f"takeover-stays-{backend}", pool_mode="session", backend=backend)
    database = new_database(f"takeover_stays_{backend}")
    with psycopg.connect(takeover.first.uri(database), autocommit=True) as client:
        client.execute("create temp table mine as select 5 as v")
        pid = pid_of(client)
        client.execute("begin")
        taker = Taker(takeover)
        with contextlib.closing(taker.socket):
            taker.ask("SHOW FDS")
            taker.socket.sendall(wire.query("TAKE_CLIENTS 3"))
            taker.socket.shutdown(socket.SHUT_RD)
            client.execute("commit")
            log = takeover.folder / "proxy.log"
            process.wait_until(lambda: "goes to the process that takes over" in log.read_text(), 10,
                               "the attempt")
            assert client.execute("select v from mine").fetchone() == (5,)
            assert pid_of(client) == pid
        takeover.run()
        assert client.execute("select v from mine").fetchone() == (5,)
        assert pid_of(client) == pid
