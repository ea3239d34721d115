"""auth_type ldap, and the method ldap in rules, against a real slapd."""

import subprocess
import threading
import time

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tests.auth.harness import answer_to_empty_password
from tests.auth.ldap_server import BASE, MANAGER, MANAGER_PASSWORD, LdapServer
from tests.chaos.network import Network
from tools import process, proxy as tools_proxy

ANN, BOB, HID = ("ann", "canary-ldap-11"), ("bob", "canary-ldap-12"), ("hid", "canary-ldap-13")
FAILED = "LDAP authentication failed"


@pytest.fixture(scope="module")
def directory(run_folder, authorities, roles):
    server = LdapServer(run_folder / "slapd", authorities[0], [
        (*ANN, "ann@example.net", ""), (*BOB, "bob@example.net", "staff"),
        (*HID, "hid@example.net", "hidden"),
        ("twin", "canary-ldap-14", "t1@example.net", "one"),
        ("twin", "canary-ldap-15", "t2@example.net", "two")])
    server.start()
    for name, password in (ANN, BOB, HID):
        roles.sql(f"create role {name} login password '{password}'")
    yield server
    server.stop()
    for name, _ in (ANN, BOB, HID):
        roles.sql(f"drop role {name}")


@pytest.fixture
def ldap_proxy(make_proxy, directory):
    """ldap_proxy(options): everybody from 127.0.0.1 is asked of LDAP with these options."""
    def make(options: str, **more):
        environment = {"LDAPTLS_CACERT": str(directory.authority)}
        return make_proxy(environment=environment, auth_type="ldap", auth_ldap_options=options,
                          **more)
    return make


def at(server, more: str, *, port: int = 0) -> str:
    return f"ldapserver=127.0.0.1 ldapport={port or server.port} {more}"


SIMPLE = f'ldapprefix="uid=" ldapsuffix=",{BASE}"'
SEARCH = f'ldapbasedn="{BASE}"'


@pytest.mark.parametrize("more", [
    SIMPLE, SEARCH, f"{SEARCH} ldapsearchattribute=uid", f'{SEARCH} ldapsearchfilter="uid=$username"',
    f'{SEARCH} ldapsearchfilter="(|(uid=$username)(mail=$username))"',
    f'{SEARCH} ldapbinddn="{MANAGER}" ldapbindpasswd="{MANAGER_PASSWORD}"',
    f"{SIMPLE} ldaptls=1", f"{SEARCH} ldaptls=1",
], ids=["simple", "search", "attribute", "filter", "or-filter", "as-manager", "tls", "search-tls"])
def test_ways_to_ask(ldap_proxy, directory, more):
    """The right password is let in and logs in to the server, too; a wrong one is not."""
    proxy = ldap_proxy(at(directory, more), users={})
    assert proxy.whoami(*ANN) == "ann"
    assert FAILED in proxy.refusal(ANN[0], BOB[1])
    assert FAILED in proxy.refusal("nobody_there", "x")


@pytest.mark.parametrize("url, tls", [
    (f"/{BASE}?uid?sub", False), (f"/{BASE}??sub?(|(uid=$username)(mail=$username))", False),
    (f"/{BASE}?uid?sub", True)], ids=["attribute", "filter", "ldaps"])
def test_urls(ldap_proxy, directory, url, tls):
    where = f"ldaps://127.0.0.1:{directory.tls_port}" if tls else f"ldap://127.0.0.1:{directory.port}"
    proxy = ldap_proxy(f'ldapurl="{where}{url}"', users={})
    assert proxy.whoami(*BOB) == "bob"
    assert FAILED in proxy.refusal(BOB[0], ANN[1])


def test_tls_is_verified(ldap_proxy, directory, authorities):
    proxy = ldap_proxy(at(directory, f"{SIMPLE} ldaptls=1"), users={})
    proxy.stop()
    proxy.environment = {"LDAPTLS_CACERT": str(authorities[1].certificate)}
    proxy.start()
    assert FAILED in proxy.refusal(*ANN)
    assert "could not start LDAP TLS session" in proxy.log_text()
    # TLS asked of a port that speaks it at once, and the other way round.
    for wrong in (at(directory, f"{SIMPLE} ldaptls=1", port=directory.tls_port),
                  at(directory, f"{SIMPLE} ldapscheme=ldaps")):
        proxy.settings["auth_ldap_options"] = wrong
        proxy.reload()
        assert FAILED in proxy.refusal(*ANN)


def test_the_second_server_is_asked_when_the_first_is_gone(ldap_proxy, directory):
    servers = f"127.0.0.1:{process.free_port()} 127.0.0.1:{directory.port}"
    proxy = ldap_proxy(f'ldapserver="{servers}" {SIMPLE}', users={})
    assert proxy.whoami(*ANN) == "ann"


def test_no_server(ldap_proxy, directory):
    proxy = ldap_proxy(at(directory, SEARCH, port=process.free_port()), users={})
    assert FAILED in proxy.refusal(*ANN)
    assert "Can't contact LDAP server" in proxy.log_text()


def test_names_and_passwords_that_would_trick_a_directory(ldap_proxy, directory):
    """An empty password binds as nobody, and succeeds: it never gets that far."""
    proxy = ldap_proxy(at(directory, SEARCH), users={})
    assert "empty password returned by client" in answer_to_empty_password(proxy.port, ANN[0])
    for name in ("a*", "ann)(uid=*", "ann\\2a", "*"):
        assert FAILED in proxy.refusal(name, ANN[1])
    assert proxy.log_text().count("invalid character in user name") == 4
    assert FAILED in proxy.refusal("twin", "canary-ldap-14")
    assert 'LDAP user "twin" is not unique' in proxy.log_text()
    proxy.settings["auth_ldap_options"] = at(directory, SIMPLE)
    proxy.reload()
    assert FAILED in proxy.refusal("bob,ou=staff", BOB[1])


def test_who_searches_decides_who_is_found(ldap_proxy, directory):
    base = f'ldapbasedn="ou=hidden,{BASE}"'
    proxy = ldap_proxy(at(directory, base), users={})
    assert FAILED in proxy.refusal(*HID)
    proxy.settings["auth_ldap_options"] = at(
        directory, f'{base} ldapbinddn="{MANAGER}" ldapbindpasswd="{MANAGER_PASSWORD}"')
    proxy.reload()
    assert proxy.whoami(*HID) == "hid"
    proxy.settings["auth_ldap_options"] = at(
        directory, f'{base} ldapbinddn="{MANAGER}" ldapbindpasswd="canary-wrong-89"')
    proxy.reload()
    assert FAILED in proxy.refusal(*HID)
    assert "could not perform initial LDAP bind" in proxy.log_text()
    text = proxy.log_text()
    assert [word for word in (MANAGER_PASSWORD, "canary-wrong-89", HID[1]) if word in text] == []


def test_rules(make_proxy, directory, auth_folder):
    """By rule: LDAP for one user, a password of the file for another, and no fallback."""
    proxy = make_proxy(start=False, auth_type="hba", auth_hba_file=str(auth_folder / "rules"))
    proxy.write("rules", f'host all ann 127.0.0.1/32 ldap ldapserver=127.0.0.1 '
                         f'"ldapport"={directory.port} ldapbasedn="{BASE}" ,'
                         f'ldapsearchfilter="uid=$username"\n'
                         f"host all bob 127.0.0.1/32 ldap {at(directory, SIMPLE)} ldapfoo=1\n"
                         "host all all 127.0.0.1/32 scram-sha-256\n")
    proxy.start()
    assert "invalid LDAP option" in proxy.log_text()
    assert proxy.whoami(*ANN) == "ann"
    assert proxy.whoami(*LOOKUP) == LOOKUP[0]
    assert FAILED in proxy.refusal(*BOB)
    assert FAILED in proxy.refusal(ANN[0], BOB[1])


def test_the_password_given_goes_before_the_stored_one(ldap_proxy, directory, roles):
    proxy = ldap_proxy(at(directory, SIMPLE), users={ANN[0]: "an old one"})
    assert proxy.whoami(*ANN) == "ann"
    directory.set_password(f"uid=ann,{BASE}", "canary-ldap-21")
    roles.sql("alter role ann password 'canary-ldap-21'")
    try:
        assert FAILED in proxy.refusal(*ANN)
        roles.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ann'")
        assert proxy.whoami(ANN[0], "canary-ldap-21") == "ann"
    finally:
        directory.set_password(f"uid=ann,{BASE}", ANN[1])
        roles.sql(f"alter role ann password '{ANN[1]}'")


def test_not_together_with_auth_user(ldap_proxy, directory, roles):
    proxy = ldap_proxy(at(directory, SIMPLE), databases={
        "*": f"host=127.0.0.1 port={roles.port} auth_user={LOOKUP[0]}"})
    assert "bouncer config error" in proxy.refusal(*ANN)
    assert "LDAP can't be used together with database authentication" in proxy.log_text()


def test_options_that_are_missing_or_wrong(make_proxy):
    proxy = make_proxy(auth_type="ldap")
    assert "auth_ldap_options is null" in proxy.refusal(*ANN)
    proxy.settings["auth_ldap_options"] = "ldapserver=127.0.0.1 ldapfoo=1"
    proxy.reload()
    assert FAILED in proxy.refusal(*ANN)
    assert 'invalid LDAP option: "ldapfoo"' in proxy.log_text()
    done = subprocess.run([str(tools_proxy.program()), "config", "check", str(proxy.file)],
                          capture_output=True, text=True, check=False)
    assert 'proxy.ini:' in done.stdout + done.stderr
    assert 'invalid LDAP option: "ldapfoo"' in done.stdout + done.stderr


def test_howdah_toml(make_proxy, directory, roles):
    options = at(directory, SIMPLE).replace('"', '\\"')
    proxy = make_proxy(toml=f'http_listen = ""\nauth_type = "ldap"\nauth_ldap_options = "{options}"\n'
                            f'[databases."*"]\nhost = "127.0.0.1"\nport = {roles.port}\n')
    assert proxy.whoami(*ANN) == "ann"
    assert f'{FAILED} for user "ann"' in proxy.refusal(ANN[0], BOB[1])


def test_show_and_dumps_hide_the_searchers_password(ldap_proxy, directory):
    proxy = ldap_proxy(at(directory, f'{SEARCH} ldapbinddn="{MANAGER}" '
                                     f'ldapbindpasswd="{MANAGER_PASSWORD}"'),
                       admin_users="ann", verbose="3")
    with proxy.connect(*ANN, "pgbouncer") as console:
        text = str(console.execute("show config").fetchall())
    assert "ldapbindpasswd" in text and MANAGER_PASSWORD not in text
    proxy.settings["auth_ldap_options"] += " ldaptls=1"
    proxy.reload()
    assert MANAGER_PASSWORD not in proxy.log_text()
    done = subprocess.run([str(tools_proxy.program()), "config", "show", "--config",
                           str(proxy.file)], capture_output=True, text=True, check=True)
    assert "ldapbindpasswd" in done.stdout and MANAGER_PASSWORD not in done.stdout


# --- A directory that does not answer ---

@pytest.fixture
def stalled(directory):
    network = Network(directory.port)
    yield network
    network.flowing.set()
    network.close()


def login_in_the_background(proxy) -> tuple[threading.Thread, list[str]]:
    said = []
    thread = threading.Thread(target=lambda: said.append(proxy.refusal(*ANN)))
    thread.start()
    return thread, said


def test_others_are_served_while_the_directory_hangs(ldap_proxy, directory, stalled):
    proxy = ldap_proxy(at(directory, SIMPLE, port=stalled.port), client_login_timeout="3",
                       pool_mode="transaction", admin_users="ann")
    with proxy.connect(*ANN) as client:
        stalled.stall()
        thread, said = login_in_the_background(proxy)
        process.wait_until(lambda: stalled.held > 0, 10, "a question to the directory")
        began = time.monotonic()
        assert client.execute("select 1").fetchone() == (1,)
        assert time.monotonic() - began < 1
        thread.join(20)
    assert "client_login_timeout" in said[0]
    stalled.flowing.set()
    process.wait_until(lambda: proxy.whoami(*ANN) == "ann", 10, "a login")


def test_a_client_that_leaves_while_the_directory_is_asked(ldap_proxy, directory, stalled):
    proxy = ldap_proxy(at(directory, SIMPLE, port=stalled.port))
    stalled.stall()
    for _ in range(8):  # more than there are threads
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=proxy.port, user="ann", password=ANN[1],
                            dbname="postgres", connect_timeout=2)
    process.wait_until(lambda: stalled.held > 0, 10, "a question to the directory")
    stalled.flowing.set()
    assert proxy.whoami(*ANN) == "ann"


def test_the_end_does_not_wait_for_the_directory(ldap_proxy, directory, stalled):
    proxy = ldap_proxy(at(directory, SIMPLE, port=stalled.port))
    stalled.stall()
    thread, said = login_in_the_background(proxy)
    process.wait_until(lambda: stalled.held > 0, 10, "a question to the directory")
    began = time.monotonic()
    proxy.process.send_signal(3)  # SIGQUIT: at once
    assert proxy.process.wait(10) == 0
    assert time.monotonic() - began < 5
    thread.join(10)
    assert said
