"""`howdah serve` as somebody meets it for the first time, with the mistakes that are made then."""

import os
import re
import signal
import socket
import subprocess

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tools import process, proxy

SECONDS_MAX = 20
pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer is not started like this")


class Serving:
    """A `howdah serve` on a port of ours, with nothing but what the test gives."""

    def __init__(self, folder, *words, port=0, **environment):
        self.port = port or process.free_port()
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(proxy.program()), "serve", *map(str, words)], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**process.clean_environment(), "HOME": str(folder),
                     "HOWDAH_LISTEN_PORT": str(self.port), "HOWDAH_UNIX_SOCKET_DIR": "",
                     "HOWDAH_HTTP_LISTEN": "", **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
        self.process.wait(SECONDS_MAX)

    def text(self):
        return self.log.read_text()

    def says(self, part):
        process.wait_until(lambda: part in self.text(), SECONDS_MAX, f"'{part}' in the log: "
                           f"{self.text()}")

    def ready(self):
        process.wait_until(lambda: self.process.poll() is not None or process.accepts(self.port),
                           SECONDS_MAX, "listening howdah")
        assert self.process.poll() is None, self.text()
        return self

    def ends_with(self, status):
        assert self.process.wait(SECONDS_MAX) == status, self.text()

    def ask(self, query, *, user=USER, password=PASSWORD, database="postgres"):
        with psycopg.connect(host="127.0.0.1", port=self.port, user=user, password=password,
                             dbname=database, autocommit=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def server(cluster):
    """PGHOST and PGPORT of the session's PostgreSQL."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.primary.port)}


def test_the_application_keeps_its_user_and_password(tmp_path, cluster):
    uri = cluster.primary.uri(USER, PASSWORD, "postgres")
    with Serving(tmp_path, "--upstream", uri).ready() as howdah:
        assert howdah.ask("select current_user") == [(USER,)]
        assert howdah.ask("show version", database="howdah")
        with pytest.raises(psycopg.OperationalError, match="permission denied|admin"):
            howdah.ask("pause", database="howdah")
        with pytest.raises(psycopg.OperationalError, match="password|SASL"):
            howdah.ask("select 1", password="wrong")
        howdah.says("upstream 127.0.0.1 answers: PostgreSQL 15")
        assert PASSWORD not in howdah.text()


def test_the_environment_says_where_as_for_psql(tmp_path, server):
    with Serving(tmp_path, **server, PGUSER=USER, PGPASSWORD=PASSWORD).ready() as howdah:
        assert howdah.ask("select current_user") == [(USER,)]


def test_the_password_file_is_read(tmp_path, server):
    (tmp_path / ".pgpass").write_text(f"*:{server['PGPORT']}:*:{USER}:{PASSWORD}\n")
    (tmp_path / ".pgpass").chmod(0o600)
    upstream = f"postgres://{USER}@127.0.0.1:{server['PGPORT']}"
    # HOME is not what libpq asks for a home: its password file can be named, too.
    named = {"PGPASSFILE": str(tmp_path / ".pgpass")}
    with Serving(tmp_path, "--upstream", upstream, **named).ready() as howdah:
        assert howdah.ask("select current_user") == [(USER,)]


def test_no_server_is_named(tmp_path):
    with Serving(tmp_path) as howdah:
        howdah.ends_with(2)
        assert "--upstream postgres://USER:PASSWORD@HOST/DATABASE" in howdah.text()


def test_the_port_is_taken(tmp_path, cluster):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Serving(tmp_path, "--upstream", "postgres://app:x@127.0.0.1:1", port=port) as howdah:
            howdah.ends_with(3)
    assert f"127.0.0.1:{port}: Address already in use" in howdah.text()
    assert f"another port than {port}" in howdah.text()
    assert len(re.findall("Address already in use", howdah.text())) == 1


def test_the_password_is_missing(tmp_path, cluster):
    upstream = f"postgres://{USER}@127.0.0.1:{cluster.primary.port}/postgres"
    with Serving(tmp_path, "--upstream", upstream, PGPASSFILE="/nonexistent").ready() as howdah:
        howdah.says("nobody can log in: auth_type scram-sha-256 needs passwords")
        howdah.says("give --upstream a password, or PGPASSWORD, or a line in ~/.pgpass")


def test_the_password_is_wrong(tmp_path, cluster):
    upstream = f"postgres://{USER}:wrong@127.0.0.1:{cluster.primary.port}/postgres"
    with Serving(tmp_path, "--upstream", upstream).ready() as howdah:
        howdah.says(f'password authentication failed for user "{USER}"')
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            howdah.ask("select 1", password="wrong")


def test_the_server_is_down_and_comes_up_later(tmp_path):
    port = process.free_port()
    upstream = f"postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
    with Serving(tmp_path, "--upstream", upstream,
                 HOWDAH_QUERY_WAIT_TIMEOUT="1").ready() as howdah:
        howdah.says(f"port {port} failed: Connection refused")
        with pytest.raises(psycopg.OperationalError) as refused:
            howdah.ask("select 1")
        assert f"127.0.0.1:{port}" in str(refused.value)
        howdah.says(f"127.0.0.1:{port}")


def test_the_url_is_wrong(tmp_path):
    for url, part in (("postgres://app:se/cret@db/shop", "in a password, write / as %2F"),
                      ("postgres://app@db/shop?sslmod=require", 'did you mean "sslmode"?'),
                      ("mysql://app@db/shop", "--upstream")):
        with Serving(tmp_path, "--upstream", url) as howdah:
            howdah.ends_with(2)
            assert part in howdah.text() and "cret" not in howdah.text()


def test_the_upstream_is_howdah(tmp_path):
    port = process.free_port()
    with Serving(tmp_path, "--upstream", f"postgres://a:b@localhost:{port}/x", port=port) as howdah:
        howdah.ends_with(2)
        assert "is where howdah listens" in howdah.text()


def test_files_that_cannot_be_read(tmp_path):
    with Serving(tmp_path, "none.toml") as howdah:
        howdah.ends_with(2)
        assert "none.toml" in howdah.text() and "No such file" in howdah.text()
    (tmp_path / "key").write_text("no key")
    (tmp_path / "tls.toml").write_text(
        "[proxy]\nclient_tls_sslmode = 'require'\nclient_tls_key_file = 'key'\n"
        "client_tls_cert_file = 'none.crt'\n[databases.x]\nhost = 'y'\n")
    with Serving(tmp_path, "tls.toml") as howdah:
        howdah.ends_with(2)
        assert 'tls.toml:4: client_tls_cert_file: could not read "none.crt"' in howdah.text()
    (tmp_path / "none.crt").write_text("no certificate")
    with Serving(tmp_path, "tls.toml") as howdah:
        howdah.ends_with(2)
        assert "TLS setup failed" in howdah.text() and "none.crt" in howdah.text()


def test_ctrl_c_leaves_nothing(tmp_path, cluster):
    uri = cluster.primary.uri(USER, PASSWORD, "postgres")
    with Serving(tmp_path, "--upstream", uri).ready() as howdah:
        howdah.ask("select 1")
        howdah.process.send_signal(signal.SIGINT)
        howdah.ends_with(0)
        assert not os.path.exists(f"/proc/{howdah.process.pid}/exe")
        assert process.is_free(howdah.port)
