"""Signals and SHUTDOWN as PgBouncer documents them, the pidfile, and who may use the console."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import threading

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire
from tools import process, proxy


@pytest.fixture
def pooler(request, start_howdah, run_folder):
    name = f"shutdown-{request.node.name}"
    return start_howdah(name, ini=True, pool_mode="transaction",
                        pidfile=str(run_folder / f"proxy-{name}" / "howdah.pid"))


def connect(pooler, database="postgres"):
    return psycopg.connect(pooler.uri(database), autocommit=True, prepare_threshold=None)


def gone(pooler):
    return pooler.process.poll() is not None


def test_terminate_waits_for_clients(pooler):
    pidfile = pooler.folder / "howdah.pid"
    process.wait_until(lambda: pidfile.exists() and pidfile.read_text(), 10, "pidfile")
    assert int(pidfile.read_text()) == pooler.process.pid
    with connect(pooler) as client:
        client.execute("select 1")
        os.kill(pooler.process.pid, signal.SIGTERM)
        process.wait_until(lambda: not process.accepts(pooler.port), 10, "no more listening")
        assert client.execute("select 2").fetchone() == (2,)
        assert not gone(pooler)
    process.wait_until(lambda: gone(pooler), 10, "the end")
    assert pooler.process.returncode == 0
    assert not pidfile.exists()


def test_a_second_daemon_says_why_it_does_not_start(pooler):
    """Until it has gone into the background its words are for who started it."""
    process.wait_until(lambda: (pooler.folder / "howdah.pid").exists(), 10, "pidfile")
    second = subprocess.run([pooler.command()[0], "-d", pooler.command()[-1]], text=True, timeout=20,
                            capture_output=True, env=process.clean_environment())
    assert second.returncode != 0
    assert "another instance running?" in second.stderr
    quiet = subprocess.run([pooler.command()[0], "-d", "-q", pooler.command()[-1]], text=True,
                           timeout=20, capture_output=True, env=process.clean_environment())
    assert quiet.returncode != 0 and quiet.stderr == ""


def test_wait_for_servers_refuses_those_who_wait(start_howdah):
    """After the console has its answer, so that a script can watch for it from there on."""
    pooler = start_howdah("shutdown-waiting", ini=True, pool_mode="transaction",
                          default_pool_size="1")
    with connect(pooler) as client, connect(pooler) as other:
        client.execute("begin")
        heard = []

        def wait():
            try:
                other.execute("select 1")
            except psycopg.OperationalError as error:
                heard.append(str(error))
        waiting = threading.Thread(target=wait)
        waiting.start()
        with connect(pooler, "pgbouncer") as console:
            names = [column.name for column in console.execute("show pools").description]
            process.wait_until(
                lambda: any(row[names.index("cl_waiting")] == 1
                            for row in console.execute("show pools").fetchall()), 10, "a waiter")
            console.execute("shutdown wait_for_servers")
            assert client.execute("select 2").fetchone() == (2,)
        waiting.join(10)
        assert heard and "server shutting down" in heard[0]
        client.execute("commit")
    process.wait_until(lambda: gone(pooler), 10, "the end")


def test_terminate_with_a_toml_lets_clients_go_as_transactions_end(start_howdah):
    pooler = start_howdah("shutdown-toml", pool_mode="transaction")
    with connect(pooler) as client, connect(pooler) as idle:
        client.execute("begin")
        os.kill(pooler.process.pid, signal.SIGTERM)
        process.wait_until(lambda: not process.accepts(pooler.port), 10, "no more listening")
        assert client.execute("select 2").fetchone() == (2,)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select 1")
        assert not gone(pooler)
        client.execute("commit")
    process.wait_until(lambda: gone(pooler), 10, "the end")
    assert pooler.process.returncode == 0


def test_second_terminate_is_immediate(pooler):
    with connect(pooler) as client:
        client.execute("begin")
        os.kill(pooler.process.pid, signal.SIGTERM)
        process.wait_until(lambda: not process.accepts(pooler.port), 10, "no more listening")
        os.kill(pooler.process.pid, signal.SIGTERM)
        process.wait_until(lambda: gone(pooler), 10, "the end")
        with pytest.raises(psycopg.OperationalError):
            client.execute("select 1")


def test_interrupt_waits_for_servers(pooler):
    client, idle = connect(pooler), connect(pooler)
    client.execute("begin")
    os.kill(pooler.process.pid, signal.SIGINT)
    process.wait_until(lambda: not process.accepts(pooler.port), 10, "no more listening")
    assert client.execute("select 2").fetchone() == (2,)
    with pytest.raises(psycopg.OperationalError, match="server shutting down"):
        idle.execute("select 1")
    client.execute("commit")
    process.wait_until(lambda: gone(pooler), 10, "the end")


def test_usr1_pauses_and_usr2_resumes(pooler):
    with connect(pooler) as client, connect(pooler, "pgbouncer") as console:
        client.execute("select 1")

        def state():
            return dict(console.execute("SHOW STATE").fetchall())
        os.kill(pooler.process.pid, signal.SIGUSR1)
        process.wait_until(lambda: state()["paused"] == "yes", 10, "paused")
        os.kill(pooler.process.pid, signal.SIGUSR2)
        process.wait_until(lambda: state()["active"] == "yes", 10, "active")
        assert client.execute("select 1").fetchone() == (1,)


def test_a_broken_file_does_not_replace_a_good_one(pooler):
    with connect(pooler, "pgbouncer") as console:
        good = pooler.file.read_text()
        pooler.file.write_text(good + "server_lifetime = soon\n")
        with pytest.raises(psycopg.errors.ConfigFileError, match="RELOAD failed"):
            console.execute("RELOAD")
        pooler.file.write_text(good)
        assert console.execute("RELOAD").statusmessage == "RELOAD"


def test_a_new_process_takes_over_without_losing_a_client(start_howdah, run_folder, new_database):
    folder = run_folder / "proxy-takeover"
    old = start_howdah("takeover", ini=True, pool_mode="transaction", unix_socket_dir=str(folder))
    database = new_database("takeover")
    with psycopg.connect(old.uri(database), autocommit=True) as client:
        client.execute("begin")
        new = process.spawn([*old.command()[:1], "-R", str(old.file)], folder / "new.log",
                            keep_user=not process.can_reach(old.binary.parent))
        try:
            process.wait_until(lambda: "process up" in (folder / "new.log").read_text(), 10,
                               "new process")
            assert client.execute("select 1").fetchone() == (1,)
            with psycopg.connect(old.uri(database)) as fresh:
                fresh.execute("select 1")
            assert "login attempt: db=takeover" in (folder / "new.log").read_text()
            assert not gone(old)
            client.execute("commit")
            # It moves to the new process now, and the old one has nobody left.
            process.wait_until(lambda: gone(old), 10, "the old process's end")
            assert client.execute("select 1").fetchone() == (1,)
            with psycopg.connect(old.uri(database)) as fresh:
                fresh.execute("select 1")
        finally:
            process.stop(new, signal.SIGQUIT)


def test_a_new_process_takes_the_http_port(start_howdah, run_folder, new_database):
    """Metrics go on where they were: also on a connection that the old process accepted."""
    folder = run_folder / "proxy-http"
    port = process.free_port()
    old = start_howdah("http", pool_mode="transaction", unix_socket_dir=str(folder),
                       http_listen=f"127.0.0.1:{port}")
    database = new_database("http")

    def start_of(connection) -> str:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return re.search(r"^process_start_time_seconds (\S+)", text, re.MULTILINE).group(1)

    def start_here() -> str:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as one:
            return start_of(one)
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with psycopg.connect(old.uri(database), autocommit=True) as client, contextlib.closing(kept):
        client.execute("begin")  # keeps the old process
        before = start_of(kept)
        assert start_here() == before
        new = process.spawn([*old.command(), "-R"], folder / "new.log",
                            keep_user=not process.can_reach(old.binary.parent))
        try:
            process.wait_until(lambda: "process up" in (folder / "new.log").read_text(), 10,
                               "new process")
            assert "no metrics" not in (folder / "new.log").read_text()
            after = process.wait_until(lambda: start_here() != before and start_here(), 10,
                                       "the new process's metrics")
            assert not gone(old)
            assert start_of(kept) == before
            assert start_of(kept) == after  # the old one said that it closes
            client.execute("commit")
            process.wait_until(lambda: gone(old), 10, "the old process's end")
            assert start_here() == after
        finally:
            process.stop(new, signal.SIGQUIT)


def test_a_second_process_on_the_same_socket_is_refused(start_howdah, run_folder):
    folder = run_folder / "proxy-twice"
    first = start_howdah("twice", ini=True, unix_socket_dir=str(folder))
    second = process.spawn([*first.command()[:1], str(first.file)], folder / "second.log",
                           keep_user=not process.can_reach(first.binary.parent))
    assert second.wait(10) != 0
    assert "unix socket is in use" in (folder / "second.log").read_text()
    assert process.accepts(first.port)


def test_a_database_that_the_new_process_does_not_have(start_howdah, run_folder, new_database):
    folder = run_folder / "proxy-lacking"
    old = start_howdah("lacking", pool_mode="transaction", unix_socket_dir=str(folder))
    kept, gone_one = new_database("lacking_kept"), new_database("lacking_gone")
    with psycopg.connect(old.uri(kept), autocommit=True) as stays, \
            psycopg.connect(old.uri(gone_one), autocommit=True) as leaves:
        text = old.file.read_text()
        assert '[databases."*"]' in text
        old.file.write_text(text.replace('[databases."*"]', f'[databases."{kept}"]'))
        new = process.spawn([*old.command()[:1], "-R", str(old.file)], folder / "new.log",
                            keep_user=not process.can_reach(old.binary.parent))
        try:
            process.wait_until(lambda: gone(old), 20, "the old process's end")
            with pytest.raises(psycopg.OperationalError, match="no such database"):
                leaves.execute("select 1")
            assert stays.execute("select 1").fetchone() == (1,)
            assert new.poll() is None
        finally:
            process.stop(new, signal.SIGQUIT)


def test_clients_move_to_the_new_process_with_what_they_have(start_howdah, run_folder,
                                                             new_database):
    folder = run_folder / "proxy-moving"
    old = start_howdah("moving", pool_mode="transaction", unix_socket_dir=str(folder),
                       default_pool_size="3")
    database = new_database("moving")
    clients = [psycopg.connect(old.uri(database), autocommit=True, application_name=f"app {n}")
               for n in range(12)]
    running = [old]
    try:
        for number, client in enumerate(clients):
            client.execute("set work_mem = '%dMB'" % (number + 1))
            client.execute("prepare mine as select %d" % number)
            assert client.execute("select %s::int", (number,), prepare=True).fetchone() == (number,)
        for turn in range(2):
            new = process.spawn([*old.command()[:1], "-R", str(old.file)],
                                folder / f"new{turn}.log",
                                keep_user=not process.can_reach(old.binary.parent))
            running.append(new)
            before = running[-2]
            before = getattr(before, "process", before)
            process.wait_until(lambda: before.poll() is not None, 20, "the old process's end")
            for number, client in enumerate(clients):
                assert client.execute("show work_mem").fetchone() == (f"{number + 1}MB",)
                assert client.execute("show application_name").fetchone() == (f"app {number}",)
                assert client.execute("execute mine").fetchone() == (number,)
                assert client.execute("select %s::int", (number,),
                                      prepare=True).fetchone() == (number,)
            # A cancel request finds the client where it is now.
            with psycopg.connect(old.uri("pgbouncer"), autocommit=True) as console:
                rows = console.execute("SHOW CLIENTS").fetchall()
                assert len([row for row in rows if row[2] == database]) == 12
        late = threading.Timer(1, clients[0].cancel)
        late.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            clients[0].execute("select pg_sleep(20)")
        late.join()
    finally:
        for client in clients:
            client.close()
        for one in running[1:]:
            process.stop(one, signal.SIGQUIT)


def test_what_a_client_was_told_moves_as_well(start_howdah, run_folder, new_database, cluster):
    """Its statement's columns change while it is on its way: it hears of it, and reads nothing by
    what it was told."""
    folder = run_folder / "proxy-told-moves"
    old = start_howdah("told-moves", pool_mode="transaction", unix_socket_dir=str(folder))
    database = new_database("told_moves")
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, database), autocommit=True) as admin:
        admin.execute("create table told (v int8)")
        admin.execute("insert into told values (42)")
        clients = [wire.Client(old.uri(database)) for _ in range(2)]
        for client, sql in zip(clients, ("select v from told", "update told set v = $1")):
            client.ask(wire.parse("s", sql), wire.describe("S", "s"), wire.SYNC)
        new = process.spawn([*old.command()[:1], "-R", str(old.file)], folder / "new.log",
                            keep_user=not process.can_reach(old.binary.parent))
        try:
            process.wait_until(lambda: old.process.poll() is not None, 20, "the old one's end")
            admin.execute("alter table told alter v type float8")
            for client, values in zip(clients, ((), ("7",))):
                answer = client.ask(wire.bind("", "s", *values), wire.execute(), wire.SYNC)
                assert [wire.fields(one)["C"] for one in answer if one.type == "E"] == ["0A000"]
                client.close()
            assert admin.execute("select v from told").fetchone() == (42.0,)
        finally:
            process.stop(new, signal.SIGQUIT)


def test_loops_that_cannot_all_be_had_end_the_start(tmp_path):
    file = tmp_path / "howdah.toml"
    file.write_text('[proxy]\nlisten_addr = "127.0.0.1"\nunix_socket_dir = ""\nhttp_listen = ""\n'
                    f'listen_port = {process.free_port()}\nbackend = "io_uring"\nloops = 16\n'
                    'auth_type = "trust"\n[databases."*"]\nhost = "127.0.0.1"\n')
    # Room for some rings, but not for all of them; root has no limit but by this right.
    without = ["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"]
    done = subprocess.run([*(without if os.getuid() == 0 else []), "prlimit", "--memlock=1000000",
                           str(proxy.program()), "serve", str(file)],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode not in (0, None) and "LimitMEMLOCK" in done.stderr
