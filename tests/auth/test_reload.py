"""What a SIGHUP changes while clients are there, and what it must not."""

import signal

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tools import process

def shown(proxy) -> dict[str, tuple]:
    with proxy.connect(*LOOKUP, "pgbouncer") as console:
        return {row[0]: row[1:] for row in console.execute("show config").fetchall()}


def test_databases_users_and_limits(make_proxy, roles):
    proxy = make_proxy(pool_mode="transaction", databases={
        "stays": f"host=127.0.0.1 port={roles.port} dbname=postgres",
        "goes": f"host=127.0.0.1 port={roles.port} dbname=postgres"})
    with proxy.connect(*LOOKUP, "stays") as client:
        pid = client.execute("select pg_backend_pid()").fetchone()
        del proxy.databases["goes"]
        proxy.databases["comes"] = proxy.databases["stays"] + " pool_size=3"
        proxy.users["scram_user"] = "scram-canary-51"
        proxy.settings["max_db_client_connections"] = "1"
        proxy.reload()
        # Nothing that concerns its server has changed: it is the same one.
        assert client.execute("select pg_backend_pid()").fetchone() == pid
        assert proxy.whoami("scram_user", "scram-canary-51", "comes") == "scram_user"
        assert "max_db_client_connections" in proxy.refusal(*LOOKUP, "stays")
        assert "no such database: goes" in proxy.refusal(*LOOKUP, "goes")
        # Another server's options: the client gets a new one between its transactions.
        proxy.databases["stays"] += " connect_query='set work_mem=9999'"
        proxy.reload()
        process.wait_until(
            lambda: client.execute("select pg_backend_pid()").fetchone() != pid, 10, "a new server")


def test_a_wrong_password_list_or_rule_does_not_open_the_door(make_proxy, auth_folder):
    rules = auth_folder / "rules"
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    process.give_to_server_user(rules)
    proxy = make_proxy(auth_type="hba", auth_hba_file=str(rules))
    assert proxy.whoami(*LOOKUP) == LOOKUP[0]
    rules.write_text("host all all 127.0.0.1/32 tru\nhost all all 127.0.0.1/32 reject\n")
    proxy.reload()
    assert "login rejected" in proxy.refusal(*LOOKUP)
    rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    proxy.reload()
    assert "password authentication failed" in proxy.refusal(LOOKUP[0], "wrong") \
        or "SASL authentication failed" in proxy.refusal(LOOKUP[0], "wrong")
    assert proxy.whoami(*LOOKUP) == LOOKUP[0]


@pytest.mark.parametrize("broken", ["pool_mode = sideways", "no_such_option = 1",
                                    "max_client_conn = many", "server_tls_protocols = tlsv9"])
def test_a_broken_file_changes_nothing(make_proxy, broken):
    proxy = make_proxy(max_client_conn="50")
    with proxy.connect(*LOOKUP) as client:
        name, value = broken.split(" = ")
        proxy.settings |= {"query_wait_timeout": "33", name: value}
        proxy.write_config()
        proxy.process.send_signal(signal.SIGHUP)
        process.wait_until(lambda: "the old one stays in force" in proxy.log_text(), 10, "a word")
        assert shown(proxy)["query_wait_timeout"][0] == "120"
        assert client.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.Error, match="RELOAD failed"):
            with proxy.connect(*LOOKUP, "pgbouncer") as console:
                console.execute("reload")
