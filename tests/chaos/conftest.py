"""A server of its own, that may be hurt, and howdah in front of it, through a network that may be cut."""

from pathlib import Path

import psycopg
import pytest

from tests.chaos.network import Network
from tests.conftest import PASSWORD, USER
from tools import process, proxy
from tools.pgcluster import FAST, Cluster
from tools.shell import Failed

POOL = 4


@pytest.fixture(scope="module")
def victim(run_folder, request):
    """A PostgreSQL that nobody else uses."""
    folder = Path(run_folder) / f"victim-{request.module.__name__.rsplit('.', 1)[-1]}"
    folder.mkdir()
    process.give_to_server_user(folder)
    with Cluster(folder, settings=FAST) as running:
        running.primary.sql(f"create role {USER} login password '{PASSWORD}'")
        running.primary.sql(f"grant pg_signal_backend to {USER}")
        running.primary.sql(f"create database chaos owner {USER}")
        yield running.primary


@pytest.fixture(scope="module")
def network(victim):
    """Between howdah and the server."""
    relay = Network(victim.port)
    yield relay
    relay.close()


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, victim, network, run_folder):
    folder = Path(run_folder) / f"chaos-{request.module.__name__.rsplit('.', 1)[-1]}-{request.param}"
    folder.mkdir()
    process.give_to_server_user(folder)
    one = proxy.Proxy(folder, {USER: PASSWORD}, databases={
        "*": f"host=127.0.0.1 port={network.port}"}, settings={
            "backend": request.param, "loops": "2", "pool_mode": "transaction",
            "default_pool_size": str(POOL),
            "server_login_retry": "1", "query_timeout": "6", "query_wait_timeout": "20",
            "server_check_delay": "0", "server_connect_timeout": "3"})
    one.start()
    yield one
    assert one.process.poll() is None, one.log_end(20)
    one.stop()


@pytest.fixture
def healthy(pooler):
    """healthy(): waits until nobody is served any more and every server is back, and is lent again."""
    def rows(console, command):
        result = console.execute(command)
        names = [column.name for column in result.description]
        return [dict(zip(names, row)) for row in result.fetchall()]

    def at_rest(console):
        pools = [row for row in rows(console, "SHOW POOLS") if row["database"] == "chaos"]
        servers = [row for row in rows(console, "SHOW SERVERS") if row["database"] == "chaos"]
        lists = dict(console.execute("SHOW LISTS").fetchall())
        for row in pools:
            busy = sum(row[name] for name in ("cl_active", "cl_waiting", "sv_active", "sv_tested",
                                              "sv_login"))
            if busy or row["sv_idle"] + row["sv_used"] != len(servers) or len(servers) > POOL:
                return False
        return lists["used_servers"] == len(servers) and lists["login_clients"] == 0

    def check():
        with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True,
                             prepare_threshold=None) as console:
            try:
                process.wait_until(lambda: at_rest(console), 20, "a pool at rest", step=0.05)
            except Failed as late:
                shown = {what: [row for row in rows(console, f"SHOW {what}")
                                if row.get("database", "chaos") == "chaos"]
                         for what in ("POOLS", "SERVERS", "CLIENTS", "LISTS")}
                raise AssertionError(f"{late}: {shown}") from late
        # All of them at once, so that each server is looked at.
        clients = [psycopg.connect(pooler.uri("chaos"), autocommit=True) for _ in range(POOL)]
        try:
            for client in clients:
                client.execute("begin")
                assert client.execute("show work_mem").fetchone() == ("4MB",)
                assert client.execute("select count(*) from pg_prepared_statements where name "
                                      "!~ '^HOWDAH'").fetchone() == (0,)
                assert client.execute("select pg_my_temp_schema() = 0 or not exists (select from "
                                      "pg_class where relnamespace = pg_my_temp_schema())"
                                      ).fetchone() == (True,)
                assert client.execute("select count(*) from pg_locks where locktype = 'advisory' "
                                      "and pid = pg_backend_pid()").fetchone() == (0,)
            for client in clients:
                client.execute("commit")
        finally:
            for client in clients:
                client.close()
    return check
