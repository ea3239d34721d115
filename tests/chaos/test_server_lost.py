"""Servers that die, hang or come back, and networks that break: errors that say so, in time, and
afterwards a pool as before."""

import contextlib
import os
import signal
import threading
import time

import psycopg
import pytest

from tests.chaos.network import Network
from tests.conftest import USER
from tests.proxy.model_server import LOGIN, READY, ModelServer
from tools import process

LOST = (psycopg.OperationalError, psycopg.InterfaceError)


def connect(pooler, **options):
    return psycopg.connect(pooler.uri("chaos"), autocommit=True, connect_timeout=20, **options)


def works_again(pooler, seconds=30):
    def answers():
        try:
            with connect(pooler) as client:
                return client.execute("select 42").fetchone() == (42,)
        except LOST:
            return False
    process.wait_until(answers, seconds, "answer from the pool", step=0.1)


class Crowd:
    """Clients that ask for what is theirs, reconnect after an error, and note any other answer."""

    def __init__(self, uri: str, size: int = 6):
        self.uri = uri
        self.wrong, self.answers, self.errors, self.stopping = [], 0, 0, False
        self.threads = [threading.Thread(target=self._work, args=(n,), daemon=True)
                        for n in range(size)]

    def _work(self, number: int) -> None:
        turn = 0
        while not self.stopping:
            with contextlib.suppress(*LOST):
                with psycopg.connect(self.uri, autocommit=True, connect_timeout=20) as client:
                    client.execute(f"set application_name = 'crowd {number}'")
                    while not self.stopping:
                        turn += 1
                        with client.transaction():
                            mine = client.execute(
                                "select %s::text, current_setting('application_name'), "
                                "repeat(%s, 5000)", (f"{number}/{turn}", str(number))).fetchone()
                        if mine != (f"{number}/{turn}", f"crowd {number}", str(number) * 5000):
                            self.wrong.append((number, turn, mine[:2]))
                        self.answers += 1
            self.errors += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join(40)
        assert not any(thread.is_alive() for thread in self.threads), "a client hangs"
        assert not self.wrong, self.wrong[:3]

    def waits_for_errors(self, count: int, seconds: float = 40) -> None:
        goal = self.errors + count
        process.wait_until(lambda: self.errors >= goal, seconds, f"{count} errors")

    def waits_for_answers(self, count: int, seconds: float = 40) -> None:
        goal = self.answers + count
        process.wait_until(lambda: self.answers >= goal, seconds, f"{count} answers more")


def test_a_killed_backend_is_reported_and_replaced(pooler, victim, healthy):
    with connect(pooler) as client:
        client.execute("begin")
        pid = client.execute("select pg_backend_pid()").fetchone()[0]
        victim.sql(f"select pg_terminate_backend({pid})")
        with pytest.raises(LOST):
            client.execute("select 1")
            client.execute("select 1")
    with connect(pooler) as client:
        killer = threading.Timer(0.5, lambda: victim.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like "
            "'select pg_sleep(77)%'"))
        killer.start()
        with pytest.raises(LOST, match="terminating connection|server conn crashed|closed"):
            client.execute("select pg_sleep(77)")
        killer.join()
    healthy()


def test_idle_backends_killed_between_transactions_go_unnoticed(pooler, victim, healthy):
    with connect(pooler) as client:
        for _ in range(5):
            assert client.execute("select 1").fetchone() == (1,)
            victim.sql("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where "
                       "datname = 'chaos'")
        works_again(pooler)
        assert client.execute("select 2").fetchone() == (2,)
    healthy()


def test_a_stalled_backend_costs_its_client_only(pooler, healthy):
    with connect(pooler) as client:
        client.execute("begin")
        pid = client.execute("select pg_backend_pid()").fetchone()[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            with connect(pooler) as other:
                assert other.execute("select 1").fetchone() == (1,)
            started = time.monotonic()
            with pytest.raises(LOST, match="query timeout"):
                client.execute("select 1")
            assert time.monotonic() - started < 30
        finally:
            os.kill(pid, signal.SIGCONT)
    healthy()


def test_a_server_restarted_under_load(pooler, victim, healthy):
    with Crowd(pooler.uri("chaos")) as crowd:
        crowd.waits_for_answers(50)
        victim.process.send_signal(signal.SIGQUIT)
        victim.process.wait(30)
        crowd.waits_for_errors(10)
        victim.start()
        crowd.waits_for_answers(50)
    works_again(pooler)
    healthy()


def test_the_network_to_the_server_cut_under_load(pooler, network, healthy):
    with Crowd(pooler.uri("chaos")) as crowd:
        for _ in range(8):
            crowd.waits_for_answers(20)
            network.cut()
        for _ in range(2):
            crowd.waits_for_answers(20)
            network.stall()
            network.waits_for_bytes()
            network.flow()
        crowd.waits_for_answers(20)
        network.stall()
        network.waits_for_bytes()
        network.cut()
        crowd.waits_for_answers(20)
    works_again(pooler)
    healthy()


def test_a_server_that_cannot_be_reached_is_an_error_in_time(pooler, network, healthy):
    works_again(pooler)
    network.reachable = False
    network.cut()
    try:
        started = time.monotonic()
        with pytest.raises(LOST):
            with connect(pooler) as client:
                client.execute("select 1")
                client.execute("select 1")
        assert time.monotonic() - started < 40
    finally:
        network.reachable = True
    works_again(pooler)
    healthy()


def test_the_network_to_the_clients_cut_under_load(pooler, victim, healthy):
    front = Network(pooler.port)
    victim.sql("create table if not exists half(i int); alter table half owner to app", "chaos")
    uri = pooler.uri("chaos").replace(f":{pooler.port}/", f":{front.port}/")
    try:
        with Crowd(uri) as crowd:
            for _ in range(8):
                crowd.waits_for_answers(20)
                with psycopg.connect(uri, autocommit=True) as client:
                    client.execute("begin")
                    client.execute("insert into half values (1)")
                    front.cut()
                    with pytest.raises(LOST):
                        client.execute("commit")
    finally:
        front.close()
    healthy()
    with connect(pooler) as client:
        assert client.execute("select count(*) from half").fetchone() == (0,)


def test_a_restart_costs_no_more_than_it_takes(victim, start_howdah):
    """Who came while the server was away is served when it is back, long before server_login_retry."""
    pooler = start_howdah("restart", server_login_retry="300", query_wait_timeout="100",
                          server_port=victim.port)
    works_again(pooler)
    answers = []

    def ask():
        with psycopg.connect(pooler.uri("chaos"), autocommit=True, connect_timeout=90) as client:
            answers.append(client.execute("select 42").fetchone())
    victim.stop()
    waiting = threading.Thread(target=ask, daemon=True)
    waiting.start()
    process.wait_until(lambda: "connect failed" in pooler.log.read_text(), 20, "a failed login")
    victim.start()
    waiting.join(60)
    assert answers == [(42,)]
    works_again(pooler)


def test_a_server_without_room_is_asked_again_soon(victim, start_howdah):
    """Somebody else has the last connection there may be: who waits is served when that one goes."""
    victim.sql(f"create database narrow connection limit 1 owner {USER}")
    pooler = start_howdah("room", server_login_retry="300", query_wait_timeout="100",
                          server_port=victim.port)
    taken = psycopg.connect(pooler.uri("narrow").replace(f":{pooler.port}/", f":{victim.port}/"))
    answers = []

    def ask():
        with psycopg.connect(pooler.uri("narrow"), autocommit=True, connect_timeout=90) as client:
            answers.append(client.execute("select 42").fetchone())
    waiting = threading.Thread(target=ask, daemon=True)
    waiting.start()
    process.wait_until(lambda: "too many connections" in pooler.log.read_text(), 20,
                       "a login without room")
    taken.close()
    waiting.join(60)
    assert answers == [(42,)]


class Moody(ModelServer):
    """Says twice that it is ready, to everybody it lets in."""

    greeting = LOGIN + 2 * READY
    logins = 0

    def talk(self, connection, stream) -> None:
        self.logins += 1


def test_a_server_out_of_step_from_the_beginning_is_not_stormed(start_howdah):
    moody = Moody()
    try:
        pooler = start_howdah("moody", query_wait_timeout="3", server_tls_sslmode="disable",
                              server_port=moody.port)
        with pytest.raises(LOST):
            with connect(pooler) as client:
                client.execute("select 1")
        assert 1 <= moody.logins < 100
    finally:
        moody.close()


class DiesWhileCancelled(ModelServer):
    """Ends the connection that it is asked to cancel, and the request itself much later."""

    def __init__(self):
        self.queried, self.asked, self.let_go, self.answered = (
            threading.Event() for _ in range(4))
        super().__init__()

    def talk(self, connection, stream) -> None:
        stream.read(1)
        self.queried.set()
        self.asked.wait(20)

    def cancel(self, connection) -> None:
        self.asked.set()
        self.let_go.wait(20)
        connection.close()
        self.answered.set()


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_a_cancel_under_way_outlives_server_and_client(start_howdah, backend):
    def ask():
        with contextlib.suppress(*LOST), client:
            client.execute("select 1")

    def sessions():
        with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True,
                             prepare_threshold=None) as console:
            return [row for row in console.execute("SHOW CLIENTS").fetchall() if "chaos" in row]

    server = DiesWhileCancelled()
    try:
        # Session mode: nothing is asked of the server but what the client asks.
        pooler = start_howdah(f"cancelled_{backend}", backend=backend, pool_mode="session",
                              server_tls_sslmode="disable", server_port=server.port)
        client = connect(pooler)
        asking = threading.Thread(target=ask)
        asking.start()
        assert server.queried.wait(20)
        client.cancel()
        asking.join(20)
        process.wait_until(lambda: not sessions(), 20, "end of the session")
        assert server.asked.is_set() and not server.answered.is_set()
        server.let_go.set()
        assert server.answered.wait(20)
        assert not sessions()
    finally:
        server.close()
