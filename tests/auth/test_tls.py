"""TLS to clients and to servers, with certificates of our own and real libpq."""

import shutil
import socket
import ssl
import struct
from pathlib import Path

import psycopg
import pytest

from tests.auth.conftest import LOOKUP
from tests.auth.harness import readable_copy
from tools import process
from tools.pgcluster import FAST, Cluster

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


@pytest.fixture
def tls(make_proxy, authorities):
    certificate, key = authorities[0].issue("localhost", file="proxy")

    def make(**more):
        more.setdefault("client_tls_sslmode", "require")
        return make_proxy(client_tls_cert_file=str(certificate), client_tls_key_file=str(key),
                          **more)
    return make


def verify_full(authority, **more):
    return {"sslmode": "verify-full", "sslrootcert": str(authority.certificate),
            "host": "localhost", **more}


def test_modes_of_clients(tls, authorities):
    proxy = tls(client_tls_sslmode="prefer")
    assert proxy.whoami(*LOOKUP, **verify_full(authorities[0])) == LOOKUP[0]
    assert proxy.whoami(*LOOKUP, sslmode="disable") == LOOKUP[0]
    assert "verify" in proxy.refusal(*LOOKUP, **verify_full(authorities[1]))


def test_tls_required(tls):
    proxy = tls()
    assert "SSL required" in proxy.refusal(*LOOKUP, sslmode="disable")
    with proxy.connect(*LOOKUP, sslmode="require") as connection:
        assert connection.pgconn.ssl_in_use
    assert "tls=TLSv1.3/" in proxy.log_text()


def test_channel_binding_of_clients(tls):
    """SCRAM-SHA-256-PLUS, by libpq."""
    proxy = tls(client_tls_sslmode="allow")
    assert proxy.whoami(*LOOKUP, sslmode="require", channel_binding="require") == LOOKUP[0]
    assert "channel binding" in proxy.refusal(*LOOKUP, sslmode="disable",
                                              channel_binding="require")


def test_scram_plus_only_over_tls(tls, authorities):
    proxy = tls(client_tls_sslmode="allow", auth_type="scram-sha-256-plus")
    assert proxy.whoami(*LOOKUP, sslmode="require") == LOOKUP[0]
    assert "scram-sha-256-plus needs a TLS connection" in proxy.refusal(*LOOKUP, sslmode="disable")
    refused = proxy.refusal(*LOOKUP, sslmode="require", channel_binding="disable")
    assert "SASL" in refused or "SCRAM-SHA-256-PLUS" in refused


def test_client_certificates(tls, authorities, tmp_path):
    proxy = tls(client_tls_sslmode="verify-full", auth_type="cert",
                client_tls_ca_file=str(authorities[0].certificate),
                users={LOOKUP[0]: LOOKUP[1], "scram_user": "scram-canary-51"})
    mine = [readable_copy(p, tmp_path) for p in authorities[0].issue(LOOKUP[0])]
    theirs = [readable_copy(p, tmp_path) for p in authorities[1].issue(LOOKUP[0])]

    def shown(pair):
        return {"sslmode": "require", "sslcert": str(pair[0]), "sslkey": str(pair[1])}
    assert proxy.whoami(LOOKUP[0], **shown(mine)) == LOOKUP[0]
    assert "certificate authentication failed" in proxy.refusal("scram_user", **shown(mine))
    proxy.refusal(LOOKUP[0], **shown(theirs))
    proxy.refusal(LOOKUP[0], sslmode="require")
    assert "TLS certificate name mismatch" in proxy.log_text()
    # One of the alternative names will do; a wildcard stands for nobody.
    other = [readable_copy(p, tmp_path) for p in
             authorities[0].issue("somebody", f"DNS:elsewhere,DNS:{LOOKUP[0]}", "alternative")]
    assert proxy.whoami(LOOKUP[0], **shown(other)) == LOOKUP[0]
    anybody = [readable_copy(p, tmp_path) for p in
               authorities[0].issue("somebody", "DNS:*", "anybody")]
    proxy.refusal(LOOKUP[0], **shown(anybody))


def test_hba_chooses_and_maps(tls, authorities, tmp_path):
    proxy = tls(client_tls_ca_file=str(authorities[0].certificate), auth_type="hba",
                client_tls_sslmode="allow", start=False,
                users={LOOKUP[0]: LOOKUP[1], "scram_user": "scram-canary-51", "forced": ""})
    hba = proxy.write("hba.conf", "hostssl all scram_user 127.0.0.1/32 cert map=m\n"
                                  "host all forced 127.0.0.1/32 reject\n"
                                  "host all all 127.0.0.1/32 scram-sha-256\n")
    ident = proxy.write("ident.conf", "m Alice scram_user\n")
    proxy.settings.update(auth_hba_file=str(hba), auth_ident_file=str(ident))
    proxy.start()
    certificate, key = (readable_copy(p, tmp_path) for p in authorities[0].issue("Alice"))
    shown = {"sslmode": "require", "sslcert": str(certificate), "sslkey": str(key)}
    assert proxy.whoami("scram_user", **shown) == "scram_user"
    assert proxy.whoami(*LOOKUP, sslmode="disable") == LOOKUP[0]
    assert "login rejected" in proxy.refusal("forced", "x", sslmode="disable")
    proxy.write("ident.conf", "m Bob scram_user\n")
    proxy.reload()
    assert "certificate authentication failed" in proxy.refusal("scram_user", **shown)


def test_new_certificate_without_dropping_clients(tls, authorities):
    proxy = tls()
    with proxy.connect(*LOOKUP, **verify_full(authorities[0])) as old:
        certificate, key = authorities[1].issue("localhost", file="proxy")
        proxy.settings.update(client_tls_cert_file=str(certificate), client_tls_key_file=str(key))
        proxy.reload()
        process.wait_until(lambda: reaches(proxy, verify_full(authorities[1])), 10, "new cert")
        assert old.execute("select 1").fetchone() == (1,)
        assert "verify" in proxy.refusal(*LOOKUP, **verify_full(authorities[0]))
        # A wrong one does not replace a good one.
        proxy.settings.update(client_tls_cert_file="/no/such/file.crt")
        proxy.reload()
        process.wait_until(lambda: "TLS setup failed" in proxy.log_text(), 10, "an error")
        assert reaches(proxy, verify_full(authorities[1]))


def reaches(proxy, more) -> bool:
    try:
        proxy.connect(*LOOKUP, **more).close()
        return True
    except psycopg.OperationalError:
        return False


def test_protocols_and_ciphers(tls):
    proxy = tls(client_tls_protocols="tlsv1.3",
                client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256")
    assert proxy.whoami(*LOOKUP, sslmode="require") == LOOKUP[0]
    assert "tls=TLSv1.3/TLS_CHACHA20_POLY1305_SHA256" in proxy.log_text()
    proxy.refusal(*LOOKUP, sslmode="require", ssl_max_protocol_version="TLSv1.2")


def raw(proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    return connection


@pytest.mark.parametrize("order", [[GSS_REQUEST, SSL_REQUEST], [SSL_REQUEST]])
def test_encryption_requests_in_turn(tls, order):
    proxy = tls()
    with raw(proxy) as connection:
        for request in order:
            connection.sendall(request)
            assert connection.recv(1) == (b"S" if request == SSL_REQUEST else b"N")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(connection) as secured:
            assert secured.version() == "TLSv1.3"


def test_a_handshake_that_fails_is_said_once(tls):
    proxy = tls()
    with raw(proxy) as connection:
        connection.sendall(SSL_REQUEST)
        assert connection.recv(1) == b"S"
        connection.sendall(b"no handshake at all")
    process.wait_until(lambda: "TLS handshake failed" in proxy.log_text(), 10, "a line of the log")
    assert proxy.log_text().count("TLS handshake failed") == 1


def test_bytes_before_the_handshake(tls):
    """CVE-2021-23214: what somebody put in front of the handshake is not the client's."""
    proxy = tls()
    with raw(proxy) as connection:
        connection.sendall(SSL_REQUEST + b"Q\0\0\0\x0dselect 1\0")
        answer = connection.recv(1000)
    assert b"unencrypted data" in answer and not answer.startswith(b"S")


@pytest.mark.parametrize("alpn, fine", [(["postgresql"], True), (["http/1.1"], False), ([], False)])
def test_direct_tls(tls, alpn, fine):
    proxy = tls()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    with raw(proxy) as connection:
        try:
            with context.wrap_socket(connection) as secured:
                body = struct.pack("!I", 196608) + b"user\0nobody\0\0"
                secured.sendall(struct.pack("!I", len(body) + 4) + body)
                answer = secured.recv(1000)
        except (ssl.SSLError, ConnectionError):
            answer = b""
    assert (answer[:1] in (b"R", b"E")) == fine


@pytest.fixture(scope="module")
def tls_server(run_folder, authorities):
    """A PostgreSQL that wants TLS from everybody but `in_clear`, and a certificate from `with_cert`."""
    folder = Path(run_folder) / "tls-server"
    folder.mkdir()
    process.give_to_server_user(folder)
    certificate, key = authorities[0].issue("localhost", file="server")
    settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key),
                "ssl_ca_file": str(authorities[0].certificate)}
    with Cluster(folder, settings={**FAST, **settings}) as running:
        primary = running.primary
        primary.sql("create role in_clear login; create role with_cert login;"
                    "create role with_tls login password 'tls-canary'")
        hba = primary.data / "pg_hba.conf"
        hba.write_text("local all all trust\n"
                       "hostnossl all in_clear 127.0.0.1/32 trust\n"
                       "hostssl all with_cert 127.0.0.1/32 cert\n"
                       "hostssl all with_tls 127.0.0.1/32 scram-sha-256\n"
                       "host all all 0.0.0.0/0 reject\n")
        primary.sql("select pg_reload_conf()")
        yield primary
    shutil.rmtree(folder, ignore_errors=True)


USERS = {"in_clear": "x", "with_cert": "x", "with_tls": "tls-canary"}


@pytest.mark.parametrize("mode, user, fine", [
    ("disable", "in_clear", True), ("disable", "with_tls", False),
    ("allow", "in_clear", True), ("allow", "with_tls", True),
    ("prefer", "in_clear", True), ("prefer", "with_tls", True),
    ("require", "in_clear", False), ("require", "with_tls", True),
    ("verify-ca", "with_tls", True), ("verify-full", "with_tls", True)])
def test_modes_to_servers(make_proxy, tls_server, authorities, mode, user, fine):
    proxy = make_proxy(users=USERS, server_tls_sslmode=mode, databases={
        "*": f"host=127.0.0.1 port={tls_server.port}"},
        server_tls_ca_file=str(authorities[0].certificate))
    if fine:
        assert proxy.whoami(user, USERS[user]) == user
    else:
        assert "pg_hba.conf" in proxy.refusal(user, USERS[user])


@pytest.mark.parametrize("mode, host, authority, fine", [
    ("verify-ca", "127.0.0.1", 0, True), ("verify-ca", "127.0.0.1", 1, False),
    ("verify-full", "127.0.0.1", 0, True), ("verify-full", "localhost", 0, True),
    ("verify-full", "127.0.0.2", 0, False), ("require", "127.0.0.1", 1, True)])
def test_servers_certificate(make_proxy, tls_server, authorities, mode, host, authority, fine):
    """By the database's own sslmode and sslrootcert, over a global mode that would not do."""
    proxy = make_proxy(users=USERS, server_tls_sslmode="disable", query_wait_timeout="2",
                       client_login_timeout="3", databases={"*": (
        f"host={host} port={tls_server.port} dbname=postgres sslmode={mode} "
        f"sslrootcert={authorities[authority].certificate}")})
    if fine:
        assert proxy.whoami("with_tls", "tls-canary") == "with_tls"
    else:
        proxy.refusal("with_tls", "tls-canary")
        assert "certificate verify failed" in proxy.log_text() or host == "127.0.0.2"


def test_certificate_and_binding_to_servers(make_proxy, tls_server, authorities):
    certificate, key = authorities[0].issue("with_cert")
    proxy = make_proxy(users=USERS, server_tls_sslmode="require", databases={
        "cert": f"host=127.0.0.1 port={tls_server.port} dbname=postgres "
                f"sslcert={certificate} sslkey={key}",
        "bound": f"host=127.0.0.1 port={tls_server.port} dbname=postgres channel_binding=require"})
    assert proxy.whoami("with_cert", "x", "cert") == "with_cert"
    assert proxy.whoami("with_tls", "tls-canary", "bound") == "with_tls"
