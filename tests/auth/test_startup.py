"""The start-up packet and what comes before the first query, held against PostgreSQL."""

import concurrent.futures
import socket
import struct
import threading

import pytest

from tests.auth.conftest import LOOKUP
from tests.proxy.model_server import LOGIN, READY, ModelServer
from tests.proxy.wire_client import Client, Message, fields, message, query, text
from tools import process

GSS_REQUEST = struct.pack("!ii", 8, 80877104)
TOML = """
auth_type = "{method}"
{more}
[users.{user}]
password = "{password}"
[databases."*"]
host = "127.0.0.1"
port = {port}
"""


@pytest.fixture
def with_toml(make_proxy, roles):
    """with_toml(more settings): a proxy in front of PostgreSQL, or of the server at `port`."""
    def start(more: str = "", port: int = 0, method: str = "scram-sha-256"):
        return make_proxy(toml=TOML.format(method=method, more=more, user=LOOKUP[0],
                                           password=LOOKUP[1], port=port or roles.port))
    return start


def packet(body: bytes, version: int = 3 << 16) -> bytes:
    return struct.pack("!ii", len(body) + 8, version) + body


def pairs(*words: str) -> bytes:
    return b"".join(map(text, words)) + b"\0"


PLAIN = pairs("user", LOOKUP[0], "database", "postgres")


def answer(port: int, sent: bytes) -> Message:
    """The first message that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(sent)
        stream = raw.makefile("rb")
        kind = stream.read(1).decode()
        size = int.from_bytes(stream.read(4)) - 4
        return Message(kind, stream.read(size))


def refusal(port: int, sent: bytes) -> tuple[str, str]:
    """SQLSTATE and text of it."""
    one = answer(port, sent)
    assert one.type == "E", one
    return fields(one)["C"], fields(one)["M"]


def shown(client: Client, name: str) -> str:
    return next(one.body for one in client.ask(query(f"show {name}")) if one.type == "D")[6:].decode()


@pytest.mark.parametrize("front", [True, False], ids=["options first", "options last"])
@pytest.mark.parametrize("name, own, other", [("work_mem", "7MB", "5MB"),
                                              ("application_name", "own", "other"),
                                              ("TimeZone", "Asia/Tokyo", "UTC")])
def test_a_parameter_goes_before_options(with_toml, roles, name, own, other, front):
    options = {"options": f"-c {name}={other} -c geqo=off"}
    given = {**options, name: own} if front else {name: own, **options}
    for port in (roles.port, with_toml().port):
        client = Client(f"postgresql://{LOOKUP[0]}:{LOOKUP[1]}@127.0.0.1:{port}/postgres", **given)
        assert (shown(client, name), shown(client, "geqo")) == (own, "off"), port
        client.close()


def test_a_parameter_goes_before_options_under_pgbouncer_ini(make_proxy):
    proxy = make_proxy()
    with proxy.connect(*LOOKUP, application_name="own",
                       options="-c application_name=other -c timezone=Asia/Tokyo") as connection:
        assert connection.execute("show application_name").fetchone()[0] == "own"
        assert connection.execute("show timezone").fetchone()[0] == "Asia/Tokyo"


@pytest.mark.parametrize("sent", [
    packet(PLAIN + b"\0"), packet(PLAIN + b"x"), packet(PLAIN + query("select 1")),
    packet(PLAIN[:-1]), packet(PLAIN[:-2]),
    packet(PLAIN, 4 << 16),
    packet(pairs("user", LOOKUP[0], "replication", "maybe")),
    packet(pairs("user", LOOKUP[0], "replication", "")),
    packet(pairs("user", LOOKUP[0], "replication", "o")),
    packet(pairs("user", LOOKUP[0], "replication", "Database")),
], ids=repr)
def test_what_postgresql_refuses(with_toml, roles, sent):
    """In the same words, but for the versions that are served."""
    expected = refusal(roles.port, sent)
    heard = refusal(with_toml().port, sent)
    assert heard[0] == expected[0]
    assert heard[1].split(":")[0] == expected[1].split(":")[0]


def test_bytes_behind_a_request_for_gss_encryption(make_proxy):
    code, said = refusal(make_proxy().port, GSS_REQUEST + packet(PLAIN))
    assert (code, said) == ("08P01", "received unencrypted data after GSSAPI encryption request")


@pytest.mark.parametrize("ini", [False, True], ids=["toml", "ini"])
@pytest.mark.parametrize("value, kind", [("OFF", "no"), ("fals", "no"), ("N", "no"), ("0", "no"),
                                         ("database", "database"), ("tr", "yes"), ("On", "yes")])
def test_replication_is_a_boolean(make_proxy, with_toml, ini, value, kind):
    proxy = make_proxy() if ini else with_toml()
    assert answer(proxy.port, packet(pairs("user", LOOKUP[0], "replication", value))).type == "R"
    process.wait_until(lambda: f"replication={kind}\n" in proxy.log_text(), 10, "the attempt")


def test_replication_that_is_no_boolean_under_pgbouncer_ini(make_proxy):
    """PgBouncer takes it for a no."""
    proxy = make_proxy()
    sent = packet(pairs("user", LOOKUP[0], "replication", "maybe"))
    assert answer(proxy.port, sent).type == "R"
    process.wait_until(lambda: "replication=no\n" in proxy.log_text(), 10, "the attempt")


@pytest.mark.parametrize("loops", [1, 2, 3])
def test_log_in_while_the_pool_is_busy(with_toml, loops):
    """What a server reported is known on every loop: nobody needs one to be greeted."""
    proxy = with_toml(f"loops = {loops}\ndefault_pool_size = 1\npool_mode = 'transaction'\n"
                      "query_wait_timeout = 2")
    holder = proxy.connect(*LOOKUP)
    with holder, holder.transaction():
        version = holder.execute("show server_version").fetchone()[0]
        others = [proxy.connect(*LOOKUP) for _ in range(16)]
        assert {one.info.parameter_status("server_version") for one in others} == {version}
    for one in others:
        assert one.execute("select 1").fetchone() == (1,)
        one.close()


def test_what_a_server_reports_is_asked_again_after_reconnect(with_toml, roles):
    proxy = with_toml(f"loops = 2\npool_mode = 'transaction'\nadmin_users = '{LOOKUP[0]}'")
    zones = []
    try:
        for zone in ("Asia/Tokyo", "America/Lima"):
            roles.sql(f"alter role {LOOKUP[0]} set timezone = '{zone}'")
            with proxy.connect(*LOOKUP, "howdah") as console:
                console.execute("reconnect")
            clients = [proxy.connect(*LOOKUP) for _ in range(8)]
            zones.append({one.info.parameter_status("TimeZone") for one in clients})
            for one in clients:
                one.close()
    finally:
        roles.sql(f"alter role {LOOKUP[0]} reset timezone")
    assert zones == [{"Asia/Tokyo"}, {"America/Lima"}]


class Moves(ModelServer):
    """Is somewhere else after its first login, which takes until `go`."""

    def __init__(self):
        super().__init__()
        self.logins = 0
        self.began, self.go = threading.Event(), threading.Event()

    def _serve(self, connection: socket.socket) -> None:
        self.logins += 1
        first = self.logins == 1
        self.greeting = LOGIN.replace(b"UTC", b"OLD" if first else b"NEW") + READY
        super()._serve(Held(connection, self) if first else connection)

    def talk(self, connection: socket.socket, stream) -> None:
        stream.read()


class Held:
    """A connection that says nothing before its server may go on."""

    def __init__(self, connection: socket.socket, server: Moves):
        self.connection = connection
        self.server = server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def __getattr__(self, name: str):
        return getattr(self.connection, name)

    def sendall(self, data: bytes) -> None:
        self.server.began.set()
        assert self.server.go.wait(20)
        self.connection.sendall(data)


def test_a_login_that_reconnect_overtook_serves_nobody(with_toml):
    """It may have gone to the server of before."""
    server = Moves()
    try:
        proxy = with_toml(f"server_tls_sslmode = 'disable'\nadmin_users = '{LOOKUP[0]}'\n"
                          "pool_mode = 'session'", port=server.port)
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            client = threads.submit(proxy.connect, *LOOKUP)
            assert server.began.wait(20)
            with proxy.connect(*LOOKUP, "howdah") as console:
                console.execute("reconnect")
            server.go.set()
            with client.result() as connected:
                assert connected.info.parameter_status("TimeZone") == "NEW"
        assert server.logins == 2
    finally:
        server.go.set()
        server.close()


class Asks(ModelServer):
    """Asks for a method of authentication."""

    def __init__(self, code: int):
        super().__init__()
        self.greeting = message("R", struct.pack("!i", code))

    def talk(self, connection: socket.socket, stream) -> None:
        stream.read()


@pytest.mark.parametrize("code, name", [(7, "GSSAPI"), (9, "SSPI"), (99, "number 99")])
def test_a_server_that_asks_for_what_is_not_supported(with_toml, code, name):
    server = Asks(code)
    try:
        proxy = with_toml("server_tls_sslmode = 'disable'", port=server.port)
        said = proxy.refusal(*LOOKUP)
        assert f"asks for an authentication method that is not supported: {name}" in said
        assert "pg_hba.conf" in said
    finally:
        server.close()
