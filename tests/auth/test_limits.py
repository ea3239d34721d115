"""How many clients there may be, and what those hear who are one too many."""

import socket

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tools import process


def filled(proxy, count: int, **more):
    return [proxy.connect(*LOOKUP, **more) for _ in range(count)]


@pytest.mark.parametrize("option, text", [
    ("max_client_conn", "no more connections allowed (max_client_conn)"),
    ("max_db_client_connections", "client connections exceeded (max_db_client_connections)"),
    ("max_user_client_connections", "client connections exceeded (max_user_client_connections)"),
])
@pytest.mark.parametrize("loops", ["1", "3"])
def test_one_too_many(make_proxy, option, text, loops):
    proxy = make_proxy(loops=loops, **{option: "3"})
    clients = filled(proxy, 3)
    assert text in proxy.refusal(*LOOKUP)
    assert text in proxy.refusal(*LOOKUP)
    clients.pop().close()
    process.wait_until(lambda: lets_in(proxy), 10, "room for a client")
    for client in clients:
        client.close()


def lets_in(proxy) -> bool:
    try:
        proxy.connect(*LOOKUP).close()
        return True
    except psycopg.OperationalError:
        return False


def test_own_limits_of_databases_and_users(make_proxy, roles):
    proxy = make_proxy(databases={
        "narrow": f"host=127.0.0.1 port={roles.port} dbname=postgres max_db_client_connections=1",
        "wide": f"host=127.0.0.1 port={roles.port} dbname=postgres"})
    with proxy.connect(*LOOKUP, "narrow"):
        assert "max_db_client_connections" in proxy.refusal(*LOOKUP, "narrow")
        with proxy.connect(*LOOKUP, "wide"), proxy.connect(*LOOKUP, "wide"):
            pass


def test_an_idle_connection_of_another_user_gives_way_on_any_loop(make_proxy, roles):
    """One connection for the whole database: each client needs the one of the client before."""
    other = ("scram_user", "scram-canary-51")
    proxy = make_proxy(loops="2", pool_mode="transaction", max_db_connections="1",
                       query_wait_timeout="20", users=dict([LOOKUP, other]))
    seen = []
    for _ in range(4):
        for user in (LOOKUP, other):
            client = proxy.connect(*user)
            assert client.execute("select current_user").fetchone() == (user[0],)
            seen.append(client)
    for client in seen:
        client.close()


def test_login_timeout(make_proxy):
    proxy = make_proxy(client_login_timeout="1")
    with socket.create_connection(("127.0.0.1", proxy.port)) as silent:
        silent.settimeout(10)
        silent.sendall(b"\0\0\0\x20")  # and no more
        answer = b""
        while chunk := silent.recv(1000):
            answer += chunk
    assert b"client_login_timeout" in answer


def test_notice_and_application_name(make_proxy):
    proxy = make_proxy(login_notify_message="welcome to the shop", application_name_add_host="1")
    notices = []
    with proxy.connect(*LOOKUP, application_name="till") as connection:
        connection.add_notice_handler(notices.append)
        name = connection.execute("show application_name").fetchone()[0]
    assert name.startswith("till - 127.0.0.1:")
    with psycopg.connect(proxy.uri("postgres")) as connection:
        name = connection.execute("show application_name").fetchone()[0]
        assert name.startswith("app - 127.0.0.1:")


@pytest.mark.parametrize("ini, wanted", [("extra", "ok"), ("", "unsupported startup parameter")])
def test_startup_parameters_under_pgbouncer_ini(make_proxy, ini, wanted):
    proxy = make_proxy(ignore_startup_parameters="work_mem" if ini else "",
                       track_extra_parameters="IntervalStyle")
    more = {"options": "-c work_mem=5MB"}
    if ini:
        assert proxy.whoami(*LOOKUP, **more) == LOOKUP[0]
    else:
        assert f"{wanted} in options: work_mem" in proxy.refusal(*LOOKUP, **more)
    assert "only '-c config=val' and '--config=val' are allowed" in proxy.refusal(
        *LOOKUP, options="-z")


def test_any_parameter_otherwise(make_proxy, roles):
    proxy = make_proxy(toml=f"""
auth_type = "scram-sha-256"
[users.pswcheck]
password = "{LOOKUP[1]}"
[databases."*"]
host = "127.0.0.1"
port = {roles.port}
""")
    with proxy.connect(*LOOKUP, options="-c work_mem=5MB --geqo=off") as connection:
        assert connection.execute("show work_mem").fetchone()[0] == "5MB"
        assert connection.execute("show geqo").fetchone()[0] == "off"
    assert "no_such_thing" in proxy.refusal(*LOOKUP, options="-c no_such_thing=1")


def test_failing_server_logins(make_proxy, roles):
    """The first hears the server's words; while server_login_retry lasts the next hear them cached."""
    proxy = make_proxy(databases={
        "gone": f"host=127.0.0.1 port={roles.port} dbname=no_such_db",
        "wrong": f"host=127.0.0.1 port={roles.port} dbname=postgres user=forced password=bad"},
        server_login_retry="1")
    assert 'database "no_such_db" does not exist' in proxy.refusal(*LOOKUP, "gone")
    assert 'database "no_such_db" does not exist' in proxy.refusal(*LOOKUP, "gone")
    assert "password authentication failed" in proxy.refusal(*LOOKUP, "wrong")
    assert 'server login failed: FATAL database "no_such_db" does not exist' in proxy.log_text()
    roles.sql("create database no_such_db")
    try:
        process.wait_until(lambda: "no_such_db" not in safe_refusal(proxy), 20, "the database")
    finally:
        proxy.stop()
        roles.sql("drop database no_such_db with (force)")


def safe_refusal(proxy) -> str:
    try:
        proxy.connect(*LOOKUP, "gone").close()
        return ""
    except psycopg.OperationalError as error:
        return str(error)
