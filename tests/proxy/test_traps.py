"""The traps of the protocol that poolers fall into, each by its name, held against PostgreSQL.

Every case sends the same messages to PostgreSQL and through howdah, while another client makes
howdah's client change servers, and demands the same answers.
"""

import os
import socket
import struct
import threading

import psycopg
import pytest

from tests.proxy import wire_client as wire
from tests.proxy.wire_client import (COPY_DONE, FLUSH, SYNC, bind, close, copy_data, copy_fail,
                                     describe, execute, parse, query)
from tools import process


@pytest.fixture(scope="module")
def pooler(start_howdah):
    return start_howdah("traps", pool_mode="transaction", default_pool_size="3")


@pytest.fixture(scope="module")
def database(new_database):
    return new_database("traps")


@pytest.fixture
def same(open_client):
    """same(step, step, ...): each step's answers are equal; a step is messages, and how many Z."""
    def run(*steps):
        direct = open_client("direct")
        through = open_client("howdah")
        others = [open_client("howdah") for _ in range(2)]
        answers = []
        for number, step in enumerate(steps):
            messages, ready = step if isinstance(step, tuple) else (step, 1)
            other = others[number % 2]
            in_transaction = number and answers[-1][-1][1] != b"I"
            if not in_transaction:
                other.ask(query("begin"))
            expected = wire.normal(direct.ask(*messages, ready=ready))
            got = wire.normal(through.ask(*messages, ready=ready))
            if not in_transaction:
                other.ask(query("rollback"))
            assert got == expected, f"step {number}"
            answers.append(expected)
        return answers
    return run


def test_t1_after_an_error_everything_up_to_sync_is_ignored(same):
    same([parse("a", "select 1"), SYNC],
         [bind("", "a"), execute(), parse("bad", "selec 1"), parse("b", "select 2"),
          close("S", "a"), bind("", "a"), execute(), SYNC],
         # Neither the Parse of b nor the Close of a happened.
         [bind("", "a"), execute(), SYNC],
         [bind("", "b"), execute(), SYNC],
         [parse("b", "select 3"), SYNC],
         [bind("", "b"), execute(), SYNC])


def test_t2_ready_only_after_sync(open_client):
    client = open_client()
    client.send(parse("", "select 1/0"), bind("", ""), execute(), FLUSH)
    seen = client.until("E")
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.receive()
    client.socket.settimeout(20)
    assert [one.type for one in seen] == ["1", "2", "E"] or [one.type for one in seen][-1] == "E"
    assert [one.type for one in client.ask(SYNC)] == ["Z"]


def test_t3_errors_of_names_are_postgresqls(same):
    same([bind("", "nobody"), SYNC],
         [parse("twice", "select 1"), SYNC],
         [parse("twice", "select 2"), SYNC],
         [bind("", "twice"), execute(), SYNC],
         [query("create table if not exists t3(i int)")],
         # The implicit transaction fails with the error: the insert is undone.
         [parse("", "insert into t3 values (1)"), bind("", ""), execute(),
          parse("twice", "select 3"), SYNC],
         [query("select count(*) from t3")],
         [describe("S", "nobody"), SYNC], [describe("P", "nobody"), SYNC],
         [close("S", "nobody"), close("P", "nobody"), SYNC])


def test_t3_a_parse_in_a_failed_transaction_is_refused(same):
    """Also where the server has the statement already, and howdah could have answered."""
    same([parse("a", "select 1"), SYNC],
         ([query("begin"), query("select 1/0")], 2),
         [parse("b", "select 1"), SYNC],
         [query("rollback")],
         [parse("b", "select 1"), SYNC],
         ([query("begin"), query("select 1/0"), parse("c", "select 1"), SYNC, query("rollback")], 4),
         [parse("c", "select 1"), bind("", "c"), execute(), SYNC])


def test_t3_a_name_that_was_taken_is_free_after_close(same):
    same([query("begin")],
         [parse("a", "select 1"), SYNC],
         [query("savepoint s")],
         [parse("a", "select 2"), SYNC],
         [query("rollback to s")],
         [close("S", "a"), bind("", "a"), SYNC],
         [query("rollback to s")],
         [parse("a", "select 3"), bind("", "a"), execute(), SYNC],
         [query("commit")],
         [bind("", "a"), execute(), SYNC])


def by_extended(sql, name=""):
    return [parse(name, sql), describe("S", name), bind("", name), execute(), SYNC]


def test_t21_sql_names_by_the_extended_protocol(same):
    same(by_extended("prepare q(int) as select $1 + 1 as sum"),
         by_extended("execute q(1)"),
         [query("execute q(2)")],
         [query('prepare "Q 2" as select 7')],
         by_extended('execute "Q 2"'),
         by_extended('explain (costs off) execute "Q 2"'),
         by_extended("prepare q as select 3"),  # 42P05
         by_extended("deallocate q"),
         by_extended("execute q(1)"),  # 26000
         by_extended("prepare q as select 'another'"),
         by_extended("execute q"),
         [parse("", "execute q"), bind("", ""), execute(), parse("", "deallocate q"), bind("", ""),
          execute(), parse("", "execute q"), bind("", ""), execute(), SYNC],
         by_extended("prepare q as selec"))


def test_t21_a_name_means_what_it_means_when_it_is_used(same):
    same([query("prepare q as select 1")],
         by_extended("execute q", "runs q"),
         [query("deallocate q")],
         [bind("", "runs q"), execute(), SYNC],
         [query("prepare q as select 2")],
         [bind("", "runs q"), execute(), SYNC],
         [query("begin")],
         [bind("p", "runs q"), bind("", "runs q"), execute("p"), execute(), SYNC],
         [query("select 1/0")],
         [bind("", "runs q"), execute(), SYNC],
         [query("rollback")])


def test_t21_in_a_failed_transaction_a_name_that_is_known_is_not_unknown(same):
    """Where the server has no q, none can be brought to it: the client hears why."""
    failed = [([query("begin"), query("select 1/0")], 2),
              [bind("", "q", "1"), execute(), SYNC],
              [describe("S", "q"), SYNC],
              [query("execute q(1)")],
              [query("rollback")]]
    same([query("prepare q(int) as select $1")],
         *failed, *failed, *failed,  # on one server or another
         [bind("", "q", "2"), execute(), SYNC])


def test_t21_a_prepare_that_is_repeated_ends_no_transaction(same):
    """The batch goes to a server without q: what it wrote before is undone with the rest."""
    def run(sql):
        return [parse("", sql), bind("", ""), execute()]
    answers = same(
         [query("drop table if exists written; create table written(i int)")],
         [query("prepare q(int) as insert into written values ($1)")],
         [*run("insert into written values (1)"), *run("execute q(2)"), *run("select 1/0"), SYNC],
         [query("select count(*) from written")],
         [bind("", "q", "3"), execute(), *run("selec"), SYNC],
         [query("select count(*) from written")],
         [*run("execute q(4)"), bind("", "q", "5"), execute(), SYNC],
         [query("select count(*) from written")])
    counts = [[one[1][-1:] for one in answers[step] if one[0] == "D"] for step in (3, 5, 7)]
    assert counts == [[b"0"], [b"0"], [b"4"]]  # two by each way


def test_t21_sql_names_by_the_extended_protocol_do_not_pin(open_client, pooler):
    client = open_client()
    client.ask(*by_extended("prepare unpinned as select 1"))
    client.ask(query("select 1"))
    with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True,
                         prepare_threshold=None) as console:
        result = console.execute("SHOW CLIENTS")
        pins = [column.name for column in result.description].index("pins")
        assert [row[pins] for row in result.fetchall() if row[pins]] == []


def test_t4_n_syncs_give_n_readies(same):
    same(([parse("", "select 1"), bind("", ""), execute(), SYNC, SYNC, SYNC], 3),
         ([SYNC, SYNC], 2),
         ([query("select 1"), query("select 2"), parse("p", "select 3"), SYNC, bind("", "p"),
           execute(), SYNC], 4))


def test_t5_one_query_many_statements(same):
    same([query("select 1; select 2")], [query("")], [query(";;")],
         [query("create table if not exists t5(i int); insert into t5 values (1); select 1/0; "
                "insert into t5 values (2)")],
         [query("select to_regclass('t5') is null")],
         [query("begin; select 1; commit; select 2")],
         [query("begin; select 1")], [query("commit; begin; select 1/0")], [query("rollback")],
         [query("do $$ begin raise notice 'hello'; end $$; select 1")])


def test_t5_query_ends_the_unnamed_statement(same):
    same([parse("", "select 1"), SYNC], [query("select 2")], [bind("", ""), execute(), SYNC])


def test_t6_unnamed_statement_survives_a_change_of_server(same):
    same([parse("", "select $1::int + 1"), describe("S", ""), SYNC],
         [bind("", "", "41"), execute(), SYNC],
         [bind("", "", "42"), describe("P", ""), execute(), SYNC])


def test_t6_flush_keeps_the_server(open_client):
    for where in ("direct", "howdah"):
        client = open_client(where)
        client.send(parse("", "select $1::int"), describe("S", ""), FLUSH)
        assert [one.type for one in client.until("T")] == ["1", "t", "T"]
        client.send(bind("", "", "5"), execute(), SYNC)
        assert [one.type for one in client.until("Z")] == ["2", "D", "C", "Z"]


def test_t7_portals(same):
    rows = "select generate_series(1, 7)"
    same([query("begin")],
         [parse("", rows), bind("c", ""), execute("c", 3), SYNC],
         [execute("c", 3), SYNC], [execute("c", 3), SYNC], [close("P", "c"), SYNC],
         [execute("c", 3), SYNC], [query("rollback")],
         [parse("", rows), bind("", ""), execute("", 2), execute("", 2), SYNC],
         [execute("", 2), SYNC])


def test_t7_cursor_with_hold(open_client):
    client = open_client()
    client.ask(query("declare held cursor with hold for select generate_series(1, 5)"))
    others = [open_client() for _ in range(2)]
    for other in others:
        other.ask(query("begin"))
    assert [one.type for one in client.ask(query("fetch 2 from held"))] == ["T", "D", "D", "C", "Z"]
    client.ask(query("close held"))


def test_t8_copy_in(same):
    same([query("create table if not exists t8(i int)")], [query("truncate t8")],
         [query("copy t8 from stdin"), copy_data(b"1\n2\n"), COPY_DONE],
         [query("copy t8 from stdin"), copy_data(b"x\n"), COPY_DONE],
         [query("copy t8 from stdin"), copy_data(b"3\n"), copy_fail("changed my mind")],
         [parse("", "copy t8 from stdin"), bind("", ""), execute(), copy_data(b"4\n"), COPY_DONE,
          SYNC],
         [query("select 1; copy t8 from stdin; select 2"), copy_data(b"5\n"), COPY_DONE],
         [query("select array_agg(i order by i) from t8")])


def test_t8_data_after_a_failed_copy_reaches_nobody(open_client):
    client = open_client()
    client.ask(query("create table if not exists t8b(i int)"))
    client.send(query("copy t8b from stdin"), copy_data(b"x\n"), copy_data(b"1\n" * 1000))
    client.until("Z")
    client.send(copy_data(b"2\n"), COPY_DONE)
    assert [one.type for one in client.ask(query("select 7"))] == ["T", "D", "C", "Z"]


@pytest.mark.parametrize("said", [query("select 1"), parse("b", "select 2"), close("S", "a")],
                         ids=["query", "parse", "close"])
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "ahead"])
def test_t8_whoever_says_something_else_is_hung_up_on(open_client, said, waits):
    answers = []
    for where in ("direct", "howdah"):
        client = open_client(where)
        client.ask(query("create table if not exists t8(i int)"), parse("a", "select 1"), SYNC,
                   ready=2)
        client.send(query("copy t8 from stdin"), *(() if waits else (said,)))
        client.until("G")
        if waits:
            client.send(said)
        answers.append(wire.normal(client.until_end()))
    assert answers[0] == answers[1]
    assert [one[0] for one in answers[0]] == ["E", "E"]


@pytest.mark.parametrize("then", [close("S", "a"), query("select 1")], ids=["close", "query"])
def test_t8_an_end_that_came_before_is_not_meant(open_client, then):
    """Data that nothing took is ignored; the COPY behind it still waits for its own."""
    answers = []
    for where in ("direct", "howdah"):
        client = open_client(where)
        client.ask(query("create table if not exists t8(i int)"), parse("a", "select 1"), SYNC,
                   ready=2)
        stray = (query("prepare b as nonsense"), copy_data(b"1\n"), COPY_DONE)
        client.send(*stray, query("copy t8 from stdin"), then)
        answers.append(wire.normal(client.until_end()))
    assert answers[0] == answers[1]
    assert [one[0] for one in answers[0]] == ["E", "Z", "G", "E", "E"]


def test_t8_data_before_and_behind(same):
    same([query("create table if not exists t8c(i int)")], [query("truncate t8c")],
         ([query("selec"), COPY_DONE, query("copy t8c from stdin"), copy_data(b"6\n"), COPY_DONE], 2),
         ([query("copy t8c from stdin"), copy_data(b"7\n"), COPY_DONE,
           query("copy t8c from stdin"), copy_data(b"8\n"), COPY_DONE], 2),
         [query("copy t8c from stdin; copy t8c from stdin"), copy_data(b"9\n"), COPY_DONE,
          copy_data(b"10\n"), COPY_DONE],
         [parse("", "copy t8c from stdin"), bind("", ""), execute(), SYNC, SYNC,
          copy_data(b"11\n"), COPY_DONE, SYNC],
         [query("select array_agg(i order by i) from t8c")])


def test_t8_copy_out(same):
    same([query("copy (select generate_series(1, 3)) to stdout")],
         [parse("", "copy (select 1) to stdout"), bind("", ""), execute(), SYNC])


def test_t9_function_call(same):
    # int4pl is oid 177, textlen 1257.
    def call(oid, *values):
        body = struct.pack("!ihh", oid, 0, len(values))
        for value in values:
            body += struct.pack("!i", len(value)) + value
        return wire.message("F", body + struct.pack("!h", 0))
    same([call(177, b"2", b"3")], [call(1257, b"abcdef")], [call(177, b"x", b"1")],
         [query("begin")], [call(177, b"4", b"5")], [query("commit")])


def test_t10_parameters_change_at_any_moment(open_client):
    client, other = open_client(), open_client()
    client.ask(query("set application_name = 'first'"))
    other.ask(query("begin"))
    statuses = [one.body for one in client.ask(query("select 1")) if one.type == "S"]
    assert not any(b"application_name" in body and b"first" not in body for body in statuses)
    answer = client.ask(query("show application_name"))
    assert any(one.type == "D" and one.body.endswith(b"first") for one in answer)


def test_t11_failed_transactions(same):
    same([query("begin")], [query("select 1/0")], [query("select 1")],
         [parse("", "select 1"), SYNC], [query("rollback")], [query("select 1")])


def wait_for_sleeper(cluster, database):
    process.wait_until(lambda: int(cluster.primary.sql(
        "select count(*) from pg_stat_activity where state = 'active' and query = "
        f"'select pg_sleep(60)' and datname = '{database}'")), 20, "a sleeping server")


def test_t11_client_that_vanishes_leaves_no_transaction(open_client, cluster, database):
    for half in (query("begin; create table t11(i int)"), query("select pg_sleep(60)"),
                 parse("", "select 1") + bind("", "")):
        client = open_client()
        client.send(half)
        if b"pg_sleep" in half:
            wait_for_sleeper(cluster, database)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    count = (f"select count(*) from pg_stat_activity where datname = '{database}' and "
             "(state <> 'idle') and backend_type = 'client backend' and pid <> pg_backend_pid()")
    process.wait_until(lambda: not int(cluster.primary.sql(count)), 10,
                       "servers at rest after their clients left")
    assert wire.normal(open_client().ask(query("select to_regclass('t11') is null")))[1][1][-1:] \
        == b"t"


@pytest.mark.parametrize("nonsense", [
    b"Q\x00\x00\x00\x03", b"Q\xff\xff\xff\xff", b"Q\x80\x00\x00\x00", b"\x00\x00\x00\x00\x04",
    b"z\x00\x00\x00\x04", b"B\x00\x00\x00\x05\x01", b"P\x00\x00\x00\x06ab", b"Q\x00\x00\x00\x06ab",
    b"C\x00\x00\x00\x04", b"S\x00\x00\x00\x08\x00\x00\x00\x00", b"D\x00\x00\x00\x05S",
], ids=lambda data: data.hex())
def test_t12_a_broken_client_is_closed_and_nobody_else(open_client, nonsense):
    bystander = open_client()
    client = open_client()
    client.send(nonsense)
    with pytest.raises((EOFError, ConnectionError)):
        while True:
            client.receive()
    assert [one.type for one in bystander.ask(query("select 1"))] == ["T", "D", "C", "Z"]


@pytest.mark.parametrize("packet", [
    b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x07abc", b"\x7f\xff\xff\xff\x00\x03\x00\x00",
    struct.pack("!ii", 16, 196608) + b"user\0x\0\0", struct.pack("!ii", 9, 0x20000) + b"\0",
], ids=lambda data: data.hex())
def test_t12_a_broken_start_is_closed(uris, open_client, packet):
    target = open_client()
    with socket.create_connection((target.host, target.port), 20) as raw:
        raw.sendall(packet)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass
    assert [one.type for one in target.ask(query("select 1"))] == ["T", "D", "C", "Z"]


def test_t13_both_sides_send_much_at_once(open_client):
    client = open_client()
    text_bytes = "x" * 1_000_000
    messages = b"".join(parse("", f"select length('{text_bytes}'), repeat('y', 1000000)")
                        + bind("", "") + execute() for _ in range(20)) + SYNC
    sender = threading.Thread(target=client.send, args=(messages,))
    sender.start()
    rows = [one for one in client.until("Z") if one.type == "D"]
    sender.join()
    assert len(rows) == 20 and all(len(one.body) > 1_000_000 for one in rows)


def test_t13_a_slow_reader_holds_no_memory(open_client, pooler, cluster):
    def resident():
        with open(f"/proc/{pooler.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096
    client = open_client()
    client.ask(query("select 1"))
    before = resident()
    client.send(query("select repeat('z', 1000) from generate_series(1, 200000)"))
    # The server stands still when howdah takes no more: all that will be held is held.
    process.wait_until(lambda: cluster.primary.sql(
        "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and query like "
        "'select repeat(''z''%'") != "0", 20, "a server that waits for its reader")
    grown = resident() - before
    # A sanitizer keeps what was freed for a while.
    most = 100_000_000 if os.environ.get("HOWDAH_PRESET") in ("asan", "tsan") else 20_000_000
    assert grown < most, f"{grown} bytes for one slow reader of 200 MB"
    assert sum(1 for one in client.until("Z") if one.type == "D") == 200_000


def test_t14_ssl_and_gss_requests(open_client):
    target = open_client()
    with socket.create_connection((target.host, target.port), 20) as raw:
        raw.sendall(struct.pack("!ii", 8, 80877104))
        assert raw.recv(1) == b"N"
        raw.sendall(struct.pack("!ii", 8, 80877103))
        assert raw.recv(1) == b"N"
        body = struct.pack("!i", 196608) + b"user\0app\0database\0nowhere_at_all\0\0"
        raw.sendall(struct.pack("!i", len(body) + 4) + body)
        assert raw.recv(1) in (b"R", b"E")


def test_t15_protocol_3_2(open_client):
    client = open_client(minor=2)
    assert len(client.key) > 8
    assert not any(one.type == "v" for one in client.greeting)
    newer = open_client(minor=9)
    assert [one.type for one in newer.greeting].count("v") == 1
    options = {"_pq_.no_such_option": "1"}
    asked = open_client(minor=0, **options)
    assert [one.type for one in asked.greeting].count("v") == 1
    assert len(open_client(minor=0).key) == 8


def test_t16_cancel_needs_the_key_and_hits_only_its_query(open_client, cluster, database):
    client, other = open_client(), open_client()
    client.send(query("select pg_sleep(1), 'done'"))
    other.cancel(client.key[:4] + b"\1\2\3\4")
    other.cancel()
    assert [one.type for one in client.until("Z")] == ["T", "D", "C", "Z"]
    client.send(query("select pg_sleep(60)"))
    wait_for_sleeper(cluster, database)
    client.cancel()
    answer = client.until("Z")
    assert [wire.fields(one)["C"] for one in answer if one.type == "E"] == ["57014"]
    assert [one.type for one in client.ask(query("select 1"))] == ["T", "D", "C", "Z"]
