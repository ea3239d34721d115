"""What a SIGHUP changes while clients are there, and what it must not."""

import signal

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tools import process, proxy as proxy_tools, shell


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


def test_a_database_that_was_removed_leaves_nothing_behind(make_proxy, roles):
    entry = f"host=127.0.0.1 port={roles.port} dbname=postgres"
    # Of one with a user of its own min_pool_size is kept without clients.
    proxy = make_proxy(pool_mode="transaction", databases={
        "stays": entry, "goes": entry,
        "kept": f"{entry} user={LOOKUP[0]} password={LOOKUP[1]} min_pool_size=1"})

    def of(what: str) -> set[str]:
        with proxy.connect(*LOOKUP, "pgbouncer") as console:
            cursor = console.execute(f"show {what}")
            column = [one.name for one in cursor.description].index("database")
            return {row[column] for row in cursor.fetchall()}
    for name in ("stays", "goes"):
        proxy.whoami(*LOOKUP, name)
    process.wait_until(lambda: of("servers") >= {"goes", "kept"}, 10, "servers")
    with proxy.connect(*LOOKUP, "goes") as client:
        client.execute("begin")
        client.execute("select 1")
        del proxy.databases["goes"], proxy.databases["kept"]
        proxy.reload()
        with pytest.raises(psycopg.OperationalError):
            client.execute("select 1")
    for what in ("pools", "servers", "stats"):
        process.wait_until(lambda: of(what) - {"pgbouncer"} == {"stays"}, 10, what)
    # And it may come back.
    proxy.databases["goes"] = entry
    proxy.reload()
    assert proxy.whoami(*LOOKUP, "goes") == LOOKUP[0]
    assert "goes" in of("pools")


def test_another_file_is_read_once_conffile_names_it(make_proxy):
    proxy = make_proxy(query_wait_timeout="77")
    other = proxy.write("other.ini", proxy.file.read_text().replace("= 77", "= 88"))
    with proxy.connect(*LOOKUP, "pgbouncer") as console:
        console.execute(f"set conffile = '{other}'")
        console.execute("reload")
        assert shown(proxy)["query_wait_timeout"][0] == "88"
        assert shown(proxy)["conffile"][0] == str(other)
        # One that cannot be read changes nothing but that.
        console.execute(f"set conffile = '{proxy.folder / 'none.ini'}'")
        with pytest.raises(psycopg.Error, match="RELOAD failed"):
            console.execute("reload")
        assert shown(proxy)["query_wait_timeout"][0] == "88"


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


# Another value than the default, where the kind of the option does not say one.
OTHERS = {"auth_type": "md5", "auth_query": "select usename, passwd from pg_shadow where usename=$1",
          "server_check_query": "select 1", "server_reset_query": "RESET ALL",
          "client_tls_ciphers": "HIGH", "server_tls_ciphers": "HIGH",
          "client_tls13_ciphers": "TLS_AES_128_GCM_SHA256",
          "server_tls13_ciphers": "TLS_AES_128_GCM_SHA256",
          "client_tls_protocols": "tlsv1.3", "server_tls_protocols": "tlsv1.3",
          "client_tls_ecdhcurve": "prime256v1", "client_tls_dheparams": "none",
          "syslog_facility": "local3", "proxy_protocol_networks": "10.0.0.0/8",
          "slow_query_explain": "host=127.0.0.1",
          "pool_mode": "transaction", "server_tls_sslmode": "disable", "log_format": "json",
          "proxy_protocol": "allow", "server_channel_binding": "disable"}
# Names of files that must be there, and what decides who may log in to look.
LEFT_OUT = {"auth_file", "auth_hba_file", "auth_ident_file", "auth_ldap_options", "conffile",
            "logfile", "admin_users", "client_tls_ca_file", "client_tls_cert_file",
            "client_tls_key_file", "client_tls_sslmode", "server_tls_ca_file",
            "server_tls_cert_file", "server_tls_key_file", "syslog"}


def live_options() -> dict[str, tuple[str, str]]:
    """Name to kind and default, of those that the reference says a reload changes."""
    lines = shell.output_of([proxy_tools.program(), "config", "reference"]).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines
            if line.startswith("| `")]
    return {row[0].strip("| `"): (row[1], row[2]) for row in rows
            if len(row) > 3 and row[3].startswith("reload")}


def another_value(name: str, kind: str, default: str) -> str:
    if name in OTHERS:
        return OTHERS[name]
    if kind == "boolean":
        return "1" if default.startswith("`0`") else "0"
    if kind.startswith(("integer", "time")):
        return "7" if "0 to 3" not in kind else "1"
    if kind in ("text", "list"):
        return "something"
    raise AssertionError(f"{name}: what else than {default} may a {kind} be?")


def test_every_option_that_says_so_changes_by_sighup(make_proxy):
    proxy = make_proxy()
    wanted = {name: another_value(name, *what) for name, what in live_options().items()
              if name not in LEFT_OUT}
    assert len(wanted) > 70
    with proxy.connect(*LOOKUP, "pgbouncer") as console:
        before = {row[0]: row[1] for row in console.execute("show config").fetchall()}
        usual = dict(proxy.settings)
        proxy.settings |= wanted
        proxy.reload()
        after = {row[0]: row[1] for row in console.execute("show config").fetchall()}
        assert {name: after.get(name) for name in wanted} == wanted, proxy.log_end(20)
        # And back, which is a change as well.
        proxy.settings = usual
        proxy.reload()
        again = {row[0]: row[1] for row in console.execute("show config").fetchall()}
        assert {name: again[name] for name in wanted} == {name: before[name] for name in wanted}
