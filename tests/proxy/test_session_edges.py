"""Session state that no server lists, and ends of sessions: each was wrong once."""

import contextlib
import http.client
import os
import signal
import socket
import struct
import subprocess
import threading

import psycopg
import pytest

from tests.proxy import wire_client as wire
from tests.proxy.test_session_state import elsewhere, server_of, value
from tests.proxy.wire_client import query
from tools import process, proxy


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, start_howdah):
    return start_howdah(f"edges-{request.param}", backend=request.param, loops="2",
                        pool_mode="transaction", default_pool_size="4")


@pytest.fixture(scope="module")
def uri(pooler, new_database):
    return pooler.uri(new_database(f"edges_{pooler.port}"))


def pins(pooler, connection):
    name = value(connection, "show application_name")  # answered after any probe
    with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True,
                         prepare_threshold=None) as console:
        result = console.execute("SHOW CLIENTS")
        names = [column.name for column in result.description]
        return [row[names.index("pins")] for row in result.fetchall()
                if row[names.index("application_name")] == name]


def test_currval_is_never_another_clients(pooler, new_database):
    # A pool of its own: once it has seen currval(), whoever writes is pinned.
    uri = pooler.uri(new_database(f"edges_sequences_{pooler.port}"))
    with contextlib.ExitStack() as stack:
        def connect(**options):
            return stack.enter_context(psycopg.connect(uri, autocommit=True,
                                                       prepare_threshold=None, **options))
        sequences(pooler, connect)


def sequences(pooler, connect):
    first = connect(application_name="sequence 1")
    second = connect(application_name="sequence 2")
    first.execute("create sequence mine; create table numbered(i serial)")
    for _ in range(3):
        second.execute("insert into numbered default values")
        second.execute("select nextval('mine')")
    # Whatever server it gets: it has called nextval() nowhere.
    for text in ("select currval('mine')", "select lastval()"):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            first.execute(text)
    # From now on whoever writes keeps its server.
    numbers = []
    for client in (first, second):
        client.execute("insert into numbered default values")
        numbers.append(value(client, "select max(i) from numbered"))
        assert pins(pooler, client) == ["currval/lastval"]
    with elsewhere(connect, first, 1):
        for client, number in zip((first, second), numbers):
            assert value(client, "select lastval()") == number
            assert value(client, "select currval('numbered_i_seq')") == number
    first.execute("discard sequences")
    assert pins(pooler, first) == [""]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        first.execute("select lastval()")


def test_parameters_that_functions_set_follow(connect):
    client = connect()
    client.execute("create function set_user(v text) returns void language plpgsql as "
                   "$$ begin perform set_config('edge.user', v, false); end $$")
    client.execute("create function set_more(v text) returns void language plpgsql as "
                   "$$ begin set edge.more = 'fixed'; end $$")
    client.execute("select set_user('anna')")
    client.execute("select set_more('x')")
    client.execute("do $$ begin perform set_config('edge.block', 'b', false); end $$")
    servers = set()
    for others in (1, 2, 3):
        with elsewhere(connect, client, others) as held:
            servers.add(server_of(client))
            assert value(client, "select current_setting('edge.user', true)") == "anna"
            assert value(client, "select current_setting('edge.more', true)") == "fixed"
            assert value(client, "select current_setting('edge.block', true)") == "b"
            assert value(held[0], "select current_setting('edge.user', true)") in (None, "")
    assert len(servers) > 1


def test_a_computed_parameter_name_pins(pooler, connect):
    client = connect(application_name="computed")
    client.execute("create or replace function set_any(n text, v text) returns void language "
                   "plpgsql as $$ begin perform set_config(n, v, false); end $$")
    try:
        client.execute("select set_any('edge.computed', 'kept')")
        assert pins(pooler, client) == ["set_config() of a computed name"]
        with elsewhere(connect, client, 2):
            assert value(client, "select current_setting('edge.computed', true)") == "kept"
        client.execute("discard all")
        assert pins(pooler, client) == [""]
    finally:
        client.execute("drop function set_any")


def test_a_bound_search_path_with_pg_temp_pins(pooler, connect):
    client = connect(application_name="temp path")
    client.execute("select set_config('search_path', %s, false)", ("pg_temp, public",))
    client.execute("create table hidden_temp(i int)")
    home = server_of(client)
    assert pins(pooler, client) == ["temporary object"]
    with elsewhere(connect, client, 2):
        assert server_of(client) == home
        assert value(client, "select count(*) from hidden_temp") == 0


def test_a_cancelled_probe_is_asked_again(pooler, connect):
    client = connect(application_name="probed")
    client.execute("create or replace function quick() returns int language sql as 'select 1'")
    for _ in range(30):
        client.execute("select quick()")
        client.cancel()
    with contextlib.suppress(psycopg.errors.QueryCanceled):
        client.execute("select quick()")
    with contextlib.suppress(psycopg.errors.QueryCanceled):
        client.execute("select quick()")
    assert pins(pooler, client) == [""]


@pytest.mark.parametrize("text", ["prepare longer_than_ours_by_far as select 1, nosuch",
                                  "/* \u00e4\u00f6\u00fc */ prepare p as select 'x', nosuch",
                                  "prepare a as select 1; prepare b as selec 1"])
def test_error_positions_are_those_of_the_clients_text(uri, cluster, text):
    direct = wire.Client(cluster.primary.uri("app", "app-secret", uri.rsplit("/", 1)[1]))
    through = wire.Client(uri)
    seen = []
    for client in (direct, through):
        answer = client.ask(query(text))
        seen.append([wire.fields(one)["P"] for one in answer if one.type == "E"])
        client.close()
    assert seen[0] == seen[1] and seen[0]


def test_the_last_words_are_heard_whatever_the_client_still_sends(pooler, uri):
    for _ in range(20):
        client = wire.Client(uri)
        client.send(b"?" + b"\0\0\0\4", query("select 'unread'" + " " * 300_000))
        with contextlib.suppress(OSError):
            client.send(query("select 'unread, too'"))
        seen = []
        with pytest.raises(EOFError):
            while True:
                seen.append(client.receive())
        assert [one.type for one in seen] == ["E"]
        assert wire.fields(seen[0])["S"] == "FATAL"
        client.close()


def test_what_a_dying_server_said_is_read_to_the_end(pooler, uri, cluster):
    """The client reads slowly, and its next requests lie unread where a reset would drop it all."""
    client = wire.Client(uri)
    try:
        client.ask(query("set application_name = 'dying'"))
        client.send(query("select repeat('x', 300000)"),
                    query("select pg_terminate_backend(pg_backend_pid())"))
        process.wait_until(lambda: cluster.primary.sql(
            "select count(*) from pg_stat_activity where application_name = 'dying'") == "0",
            10, "end of its server")
        client.send(*[query(f"select '{'y' * 1000}'")] * 100)
        seen = []
        with contextlib.suppress(EOFError):
            while True:
                seen.append(client.receive())
    finally:
        client.close()
    kinds = "".join(one.type for one in seen if one.type not in "NS")
    assert kinds in ("TDCZTDE", "TDCZE"), kinds
    assert len(seen[1].body) > 300000
    assert wire.fields(seen[-1])["C"] == "57P01"


def test_a_commit_is_answered_before_a_drain_ends_the_session(start_howdah, new_database):
    for number in range(3):
        pooler = start_howdah(f"edges-drain-{number}", pool_mode="transaction")
        uri = pooler.uri(new_database(f"edges_drain_{number}"))
        clients = [wire.Client(uri) for _ in range(8)]
        for client in clients:
            client.ask(query("begin"))
        os.kill(pooler.process.pid, signal.SIGTERM)
        process.wait_until(lambda: not process.accepts(pooler.port), 10, "no more listening")

        def finish(client):
            client.send(query("commit"))
            with contextlib.suppress(OSError):
                for _ in range(20):
                    client.send(query("select 1"))
        threads = [threading.Thread(target=finish, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for client in clients:
            seen = []
            with pytest.raises(EOFError):
                while True:
                    seen.append(client.receive())
            assert (seen[0].type, seen[0].body) == ("C", b"COMMIT\0")
            assert seen[-1].type == "E" and wire.fields(seen[-1])["C"] == "57P01"
            client.close()
        pooler.process.wait(20)


def test_a_client_that_left_in_the_middle_of_a_message_is_gone(pooler, uri):
    client = wire.Client(uri)
    client.ask(query("begin"))
    client.send(query("select 1")[:-3])
    client.socket.shutdown(socket.SHUT_WR)
    client.socket.settimeout(20)
    assert client.socket.recv(100) == b""
    client.close()


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_a_client_that_was_reset_in_a_pipeline_frees_its_server(start_howdah, new_database,
                                                                backend):
    """Its next message waits for answers that nobody takes any more."""
    pooler = start_howdah(f"edges-reset-{backend}", backend=backend, pool_mode="transaction",
                          default_pool_size="1", query_wait_timeout="15")
    uri = pooler.uri(new_database(f"edges_reset_{backend}"))
    for _ in range(5):
        client = wire.Client(uri)
        client.send(wire.parse("a", "select repeat('x', 1000000) from generate_series(1, 30)"),
                    wire.bind("", "a"), wire.execute(), wire.SYNC,
                    wire.bind("", "a"), wire.execute(), wire.SYNC)
        client.receive()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        other = wire.Client(uri)
        assert [one.type for one in other.ask(query("select 1")) if one.type != "N"] == list("TDCZ")
        other.close()


def test_disable_pqexec_and_max_packet_size(start_howdah, new_database):
    database = new_database("edges_options")
    pooler = start_howdah("edges-options", disable_pqexec="1", max_packet_size="100000")
    client = wire.Client(pooler.uri(database))
    client.send(query("select 1"))
    assert "PQexec disallowed" in wire.fields(client.until("E")[-1])["M"]
    client.close()
    client = wire.Client(pooler.uri(database))
    assert [one.type for one in client.ask(wire.parse("", "select 1"), wire.bind("", ""),
                                           wire.execute(), wire.SYNC)][-1] == "Z"
    client.send(wire.parse("", "select 1" + " " * 200_000))
    assert "max_packet_size" in wire.fields(client.until("E")[-1])["M"]
    client.close()


def test_options_without_effect_are_named(tmp_path):
    def check(name, text):
        file = tmp_path / name
        file.write_text(text)
        done = subprocess.run([proxy.program(), "config", "check", file], capture_output=True,
                              text=True)
        return done.returncode, done.stdout + done.stderr
    code, said = check("p.ini", "[databases]\n* = host=127.0.0.1\n[pgbouncer]\n"
                                "listen_addr = 127.0.0.1\nresolv_conf = /etc/other\n"
                                "pkt_buf = 8192\nsbuf_loopcnt = 5\n")
    assert code == 0
    assert ":5: warning: resolv_conf has no effect" in said
    assert ":6: warning: pkt_buf has no effect" in said
    assert "sbuf_loopcnt" not in said  # as it is anyway
    code, said = check("h.toml", '[proxy]\nlisten_addr = "127.0.0.1"\n'
                                 'resolv_conf = "/etc/other"\n[databases."*"]\n'
                                 'host = "127.0.0.1"\n')
    assert code != 0 and "resolv_conf has no effect" in said


def test_an_error_of_a_prepared_statement_may_be_large(connect):
    """Larger than what is looked into, and than what stands in a buffer at a time."""
    connection = connect()
    connection.execute("create or replace function shout() returns int language plpgsql as "
                       "$$begin raise exception '%', repeat('x', 3000000); end$$")
    connection.execute("prepare mine as select shout()")
    for act in (lambda: connection.execute("select shout()", prepare=True),
                lambda: connection.execute("execute mine")):
        with pytest.raises(psycopg.errors.RaiseException) as caught:
            act()
        assert caught.value.diag.message_primary == "x" * 3_000_000
        assert value(connection, "select 42") == 42


def test_an_http_request_is_told_where_http_is(pooler):
    connection = http.client.HTTPConnection("127.0.0.1", pooler.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 400
        assert "http_listen" in answer.read().decode()
    # What is neither is refused as PostgreSQL refuses it.
    with socket.create_connection(("127.0.0.1", pooler.port), timeout=20) as raw:
        raw.sendall(b"GETX / HTTP/1.1\r\n\r\n")
        assert b"invalid length of startup packet" in raw.recv(4096)


def test_who_waited_in_vain_for_a_server_hears_why(start_howdah, new_database):
    database = new_database("edges_in_vain")
    one = start_howdah("edges-in-vain", default_pool_size="1", pool_mode="transaction",
                       query_wait_timeout="1")

    def hint():
        asking.send(query("select 1"))
        last = wire.fields(asking.until_end()[-1])
        assert last["M"] == "query_wait_timeout"
        return last["H"]

    holding, asking = wire.Client(one.uri(database)), wire.Client(one.uri(database))
    holding.ask(query("begin"))
    assert "busy" in hint()
    holding.ask(query("rollback"))
    holding.close()
    asking = wire.Client(one.uri(database))
    with psycopg.connect(one.uri("pgbouncer"), autocommit=True) as console:
        console.execute(f"PAUSE {database}")
        assert "paused" in hint()


@pytest.mark.parametrize("option", ["query_wait_timeout", "client_login_timeout"])
def test_who_logs_in_before_a_server_that_is_not_there_hears_so(start_howdah, option):
    nobody = process.free_port()
    one = start_howdah(f"edges-nobody-{option}", server_port=nobody, **{option: "2"})
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(one.uri("edges"))
    assert option in str(refused.value) and f"127.0.0.1:{nobody}" in str(refused.value)
