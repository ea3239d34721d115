"""What one client did must not change what another's statements mean, even on one server."""

import contextlib
import socket
import struct

import psycopg
import pytest

from tests.proxy import wire_client as wire
from tests.proxy.wire_client import (FLUSH, SYNC, bind, close, describe, execute, message, parse,
                                     query, text)
from tests.conftest import PASSWORD, USER
from tools import process, proxy


@pytest.fixture(scope="module")
def pooler(start_howdah):
    return start_howdah("isolation", pool_mode="transaction", default_pool_size="1")


@pytest.fixture(scope="module")
def database(new_database):
    return new_database("isolation")


def rows(messages):
    """The first column of each row."""
    return [one.body[6:6 + struct.unpack("!i", one.body[2:6])[0]].decode()
            for one in messages if one.type == "D"]


def errors(messages):
    return [wire.fields(one)["C"] for one in messages if one.type == "E"]


def prepared(client, sql, name="s"):
    """Prepares by a name of the client's, runs, and gives the rows or the error's code."""
    answer = client.ask(parse(name, sql), bind("", name), execute(), SYNC)
    return rows(answer) or errors(answer)


LITERALS = [
    ("TimeZone", ("UTC", "Asia/Tokyo"),
     "select extract(epoch from timestamptz '2020-01-01 00:00')::bigint"),
    ("DateStyle", ("ISO, MDY", "ISO, DMY"), "select to_char(date '01/02/2020', 'YYYY-MM-DD')"),
    ("IntervalStyle", ("postgres", "sql_standard"), "select extract(hour from interval '-1 2:00')"),
    ("client_encoding", ("UTF8", "LATIN1"), "select length('\u00e9')"),
]


@pytest.mark.parametrize("name,values,sql", LITERALS, ids=[one[0] for one in LITERALS])
def test_literals_are_read_by_their_own_clients_settings(open_client, name, values, sql):
    answers = {where: [prepared(open_client(where, **{name: value}), sql) for value in values]
               for where in ("direct", "howdah")}
    assert answers["direct"][0] != answers["direct"][1], "the settings make no difference"
    assert answers["howdah"] == answers["direct"]


def test_a_setting_of_the_transaction_counts_as_well(open_client):
    sql = "select extract(epoch from timestamptz '2021-01-01 00:00')::bigint"

    def ask(where, how, zone):
        client = open_client(where)
        client.ask(query("begin"))
        client.ask(query(how.format(zone)))
        answer = prepared(client, sql)
        client.ask(query("commit"))
        return answer + prepared(client, sql, "outside")
    for how in ("set local timezone = '{}'", "select set_config('timezone', '{}', true)"):
        for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
            assert ask("howdah", how, zone) == ask("direct", how, zone)


def test_a_setting_in_the_pipeline_before_counts(open_client):
    sql = "select extract(epoch from timestamptz '2022-01-01 00:00')::bigint"

    def ask(where, zone):
        client = open_client(where)
        answer = client.ask(query(f"set timezone = '{zone}'"), parse("s", sql), bind("", "s"),
                            execute(), SYNC, ready=2)
        return rows(answer)
    for zone in ("UTC", "Asia/Tokyo"):
        assert ask("howdah", zone) == ask("direct", zone)


def test_a_search_path_has_statements_of_its_own(open_client):
    setup = open_client()
    setup.ask(query("create schema tenant_a create table item(id int, v int);"
                    "create schema tenant_b create table item(id bigint, v text);"
                    "insert into tenant_a.item values (1, 10);"
                    "insert into tenant_b.item values (5000000000, 'ten')"))
    sql = "select v, id from item where id = $1"
    for where in ("direct", "howdah"):
        for schema, number, expected in (("tenant_a", "1", ["10"]), ("tenant_b", "5000000000", ["ten"]),
                                         ("tenant_a", "1", ["10"])):
            client = open_client(where, search_path=schema)
            answer = client.ask(parse("s", sql), bind("", "s", number), execute(), SYNC)
            assert errors(answer) == [] and rows(answer) == expected, (where, schema)


def test_a_role_has_statements_of_its_own(open_client, cluster, database):
    cluster.primary.sql("create role tenant_r nologin; grant tenant_r to app;"
                        "create schema authorization tenant_r; create schema app authorization app;"
                        "create table tenant_r.mine as select 1 as v;"
                        "create table app.mine as select 'text'::text as v;"
                        "grant select on tenant_r.mine, app.mine to tenant_r, app", database)
    for where in ("direct", "howdah"):
        for role, expected in (("none", ["text"]), ("tenant_r", ["1"]), ("none", ["text"])):
            client = open_client(where)
            client.ask(query(f"set role {role}"))
            assert prepared(client, "select v from mine") == expected, (where, role)
            client.ask(query("reset role"))


def test_a_temporary_table_is_found_by_what_is_prepared_after_it(open_client):
    other = open_client()
    other.ask(query("create table shadowed as select 'public' as v"))
    assert prepared(other, "select v from shadowed") == ["public"]
    client = open_client()
    client.ask(query("begin"))
    client.ask(query("create temp table shadowed on commit drop as select 'mine' as v"))
    assert prepared(client, "select v from shadowed") == ["mine"]
    client.ask(query("commit"))
    assert prepared(other, "select v from shadowed", "v") == ["public"]
    client.ask(query("create temp table shadowed as select 'kept' as v"))
    assert prepared(client, "select v from shadowed", "t") == ["kept"]
    client.ask(query("drop table pg_temp.shadowed"))
    assert prepared(other, "select v from shadowed", "u") == ["public"]


def test_prepared_before_the_settings_changed(open_client):
    """A statement is read anew on another server; it must not be another client's reading there."""
    sql = "select extract(epoch from timestamptz '2023-01-01 00:00')::bigint"
    tokyo, utc = open_client(TimeZone="Asia/Tokyo"), open_client(TimeZone="UTC")
    assert prepared(tokyo, sql) == ["1672498800"]
    tokyo.ask(query("set timezone = 'America/New_York'"))
    tokyo.ask(bind("", "s"), execute(), SYNC)
    assert prepared(utc, sql) == ["1672531200"]
    again = open_client(TimeZone="Asia/Tokyo")
    assert prepared(again, sql) == ["1672498800"]


CHANGES = {
    "another type of a parameter": (
        "create table typed(id int, v text); insert into typed values (1, 'a')",
        "select v from typed where id = $1", "1",
        "alter table typed alter id type bigint; insert into typed values (5000000000, 'b')",
        "5000000000", "b"),
    "another type of that name": (
        "create type mood as enum ('sad')", "select $1::mood::text", "sad",
        "drop type mood; create type mood as enum ('happy')", "happy", "happy"),
    "another column": (
        "create table widened(id int); insert into widened values (7)",
        "select * from widened where id::text = $1", "7", "alter table widened add more int",
        "7", "7"),
    "another table in front": (
        "create schema front; create table behind as select 'public' as v",
        "select v from behind where $1 <> ''", "x", "create table front.behind as select 'front' as v",
        "x", "front"),
}


@pytest.mark.parametrize("case", sorted(CHANGES))
def test_what_is_prepared_after_ddl_is_read_by_the_new_schema(open_client, case):
    setup, sql, before, change, after, expected = CHANGES[case]
    ddl = open_client(search_path="public")  # others have made a schema of the user's name
    assert errors(ddl.ask(query(setup))) == []

    def ask(value):
        client = open_client(search_path="front, public")
        return client.ask(parse("s", sql), bind("", "s", value), execute(), SYNC)
    assert errors(ask(before)) == []
    assert errors(ddl.ask(query(change))) == []
    answer = ask(after)
    assert errors(answer) == [] and rows(answer) == [expected]


# --- Parameters that no server lists ---

MANY = "; ".join(f"select a.b{i} from (select 1 as b{i}) as a" for i in range(70))
CUSTOM = {
    "computed": (["select set_config('app.' || 'secret', 'mine', false)"], "app.secret"),
    "beyond ascii": (["set app.na\u00efve = 'mine'"], "app.na\u00efve"),
    "escaped": (["set U&\"app\\005fx\".secret = 'mine'"], "app_x.secret"),
    "one of many": ([MANY + "; set app.seventy = 'mine'"], "app.seventy"),
    "from a column": (["select set_config(n, 'mine', false) from (values ('app.' || chr(118))) "
                       "as v(n)"], "app.v"),
    "of a prepared statement": (["prepare sets as select set_config('app.kept', 'mine', false)",
                                 "execute sets"], "app.kept"),
    "behind a prepare": (["prepare other as select 1; set app.behind = 'mine'"], "app.behind"),
}


@pytest.mark.parametrize("case", sorted(CUSTOM))
def test_a_custom_parameter_reaches_nobody_else(open_client, case):
    sql, name = CUSTOM[case]
    client, other = open_client(), open_client()
    show = query(f"select coalesce(current_setting('{name}', true), '')")
    for text_of_it in sql:
        answer = client.ask(query(text_of_it))
        assert not errors(answer), answer
    assert rows(client.ask(show)) == ["mine"]
    client.close()  # and with it what pins
    assert rows(other.ask(show)) == [""]


@pytest.mark.parametrize("encoding,value", [("LATIN1", "Jos\u00e9"), ("UTF8", "\u65e5\u672c"),
                                            ("SJIS", "\u8868\u88681")])
def test_values_beyond_ascii_follow_in_every_encoding(open_client, encoding, value):
    codec = {"LATIN1": "latin-1", "UTF8": "utf-8", "SJIS": "shift_jis"}[encoding]
    client = open_client(client_encoding=encoding)
    other = open_client(client_encoding="LATIN1" if encoding == "UTF8" else "UTF8")
    client.ask(message("Q", b"set app.name = '" + value.encode(codec) + b"'\0"))
    for _ in range(2):
        assert errors(other.ask(query("select 1"))) == []  # had the server in between
        answer = client.ask(query("select encode(convert_to(current_setting('app.name'), 'UTF8'), 'hex')"))
        assert rows(answer) == [value.encode().hex()]


def test_what_a_trigger_sets_is_noticed_where_the_server_reports_it(open_client):
    client, other = open_client(), open_client()
    client.ask(query("create table triggering(i int);"
                     "create function sets_zone() returns trigger language plpgsql as "
                     "$$ begin set timezone = 'Asia/Tokyo'; return new; end $$;"
                     "create trigger sets before insert on triggering for each row "
                     "execute function sets_zone()"))
    before = rows(other.ask(query("show timezone")))
    assert errors(client.ask(query("insert into triggering values (1)"))) == []
    assert rows(other.ask(query("show timezone"))) == before != ["Asia/Tokyo"]
    assert rows(client.ask(query("show timezone"))) == ["Asia/Tokyo"]


def test_what_connect_query_sets_outlives_resets(cluster, run_folder, database):
    folder = run_folder / "proxy-connect-query"
    folder.mkdir()
    process.give_to_server_user(folder)
    pooler = proxy.Proxy(folder, {USER: PASSWORD}, settings={"default_pool_size": "1"}, databases={
        "*": f"host=127.0.0.1 port={cluster.primary.port} "
             "connect_query=SET/**/search_path=pg_catalog"})
    pooler.start()
    try:
        path = query("show search_path")
        first, second = wire.Client(pooler.uri(database)), wire.Client(pooler.uri(database))
        for sql in ("do $$ begin null; end $$", "set work_mem = '5MB'", "discard all",
                    "create temp table reset_later(i int)"):
            assert errors(first.ask(query(sql))) == []
            if sql.startswith("create"):
                first.close()
            assert rows(second.ask(path)) == ["pg_catalog"], sql
        second.close()
    finally:
        pooler.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_reset_query_of_the_administrators_cleans_what_it_says(start_howdah, database, mode):
    pooler = start_howdah(f"reset-{mode}", pool_mode=mode, default_pool_size="1",
                          server_reset_query="DISCARD TEMP")
    first = wire.Client(pooler.uri(database))
    assert prepared(first, "select 'reset'") == ["reset"]
    first.ask(query("create temp table left_behind(i int)"))
    first.ask(query("set search_path = pg_catalog"))
    first.ask(query("set role pg_read_all_data"))  # without the right: an error, and harmless
    first.close()
    second = wire.Client(pooler.uri(database))
    assert rows(second.ask(query("show search_path"))) == ['"$user", public']
    if mode == "transaction":
        assert prepared(second, "select 'reset'") == ["reset"]
    second.close()


# --- Names of ours ---

def test_a_statement_of_somebody_elses_cannot_be_reached_by_guessing_its_name(open_client):
    owner, thief = open_client(), open_client()
    assert prepared(owner, "select 'private'::text", "mine") == ["private"]
    names = rows(owner.ask(query("select name from pg_prepared_statements where statement like '%private%'"
                                 " and name like 'HOWDAH%'")))
    assert len(names) == 1
    ours = names[0]
    tries = [
        (bind("", ours), execute(), SYNC),
        (describe("S", ours), SYNC),
        (query(f'execute "{ours}"'),),
        (query(f'deallocate "{ours}"'),),
    ]
    for messages in tries:
        answer = thief.ask(*messages)
        assert errors(answer) == ["26000"] and rows(answer) == [], messages
        told = [wire.fields(one)["M"] for one in answer if one.type == "E"]
        assert told == [f'prepared statement "{ours}" does not exist']
    answer = thief.ask(close("S", ours), SYNC)
    assert [one.type for one in answer] == ["3", "Z"]
    answer = owner.ask(bind("", "mine"), execute(), SYNC)
    assert errors(answer) == [] and rows(answer) == ["private"]


def test_code_that_removes_or_takes_our_names(open_client):
    client, other = open_client(), open_client()
    assert prepared(client, "select 'stays'") == ["stays"]
    removes = [((query("do $$ begin execute 'deallocate all'; end $$"),), [])]
    ours = rows(client.ask(query("select name from pg_prepared_statements "
                                 "where statement like '%stays%'")))[0]
    # The other has no statement of that name, whoever has.
    for sql, expected in ((f'deallocate "{ours}"', ["26000"]),
                          ('prepare "HOWDAH_123456" as select 1', [])):
        removes.append(((parse("", sql), bind("", ""), execute(), SYNC), expected))
    for messages, expected in removes:
        assert errors(other.ask(*messages)) == expected
        answer = client.ask(bind("", "s"), execute(), SYNC)
        assert errors(answer) == [] and rows(answer) == ["stays"], messages
    assert rows(client.ask(query("select count(*) from pg_prepared_statements "
                                 "where name = 'HOWDAH_123456'"))) == ["0"]


def test_errors_speak_of_the_clients_names(start_howdah, database):
    # The first names of a new pooler: one of them is how another one begins.
    client = wire.Client(start_howdah("isolation-names", pool_mode="transaction").uri(database))
    count = 30
    for i in range(count):
        client.ask(query(f"prepare p{i} as select {i}, $1::int"))
    names = {}
    for one in rows(client.ask(query(
            "select name || ' ' || statement from pg_prepared_statements where statement like "
            "'prepare%$1::int%'"))):
        names[one.split()[0]] = one
    ours = sorted(names, key=len)
    short, long = next((a, b) for a in ours for b in ours if a != b and b.startswith(a))
    number = {name: names[name].split("select ")[1].split(",")[0] for name in (short, long)}
    answer = client.ask(query(f"execute p{number[short]}(1); execute p{number[long]}"))
    told = [wire.fields(one)["M"] for one in answer if one.type == "E"]
    assert told == [f'wrong number of parameters for prepared statement "p{number[long]}"']
    client.close()


# --- Memory ---

def resident(pooler):
    with open(f"/proc/{pooler.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def fill(client, piece, bytes_max, seconds=3):
    """Sends as much of `piece` as is taken, and never more than `bytes_max`."""
    client.socket.settimeout(seconds)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < bytes_max:
            sent += client.socket.send(piece)
    return sent


SLEEPERS = ("from pg_stat_activity where datname = current_database() and state = 'active' and "
            "pid <> pg_backend_pid() and query ~ 'pg_sleep'")


class Sleepers:
    """Servers that sleep."""

    def __init__(self, direct):
        self.direct = direct

    def count(self):
        return self.direct.execute(f"select count(*) {SLEEPERS}").fetchone()[0]

    def wake(self):
        self.direct.execute(f"select pg_cancel_backend(pid) {SLEEPERS}")


@pytest.fixture
def sleepers(uris):
    with psycopg.connect(uris["direct"], autocommit=True) as direct:
        found = Sleepers(direct)
        yield found
        found.wake()


def test_a_client_that_waits_for_its_pipeline_holds_no_memory(open_client, pooler, sleepers):
    client = open_client()
    client.ask(query("select 1"))
    before = resident(pooler)
    # The names of what follows are known when the first Sync is answered.
    client.send(parse("first", "select pg_sleep(60)"), bind("", "first"), execute(), SYNC)
    sent = fill(client, parse("second", "select 1 /* " + "x" * 60_000 + " */"), 200_000_000)
    grown = resident(pooler) - before
    assert grown < 40_000_000, f"{grown} bytes for one client that sent {sent}"


def test_many_small_requests_hold_no_memory(open_client, pooler, sleepers):
    client = open_client()
    client.ask(query("select 1"))
    before = resident(pooler)
    client.send(query("select pg_sleep(60)"))
    sent = fill(client, SYNC * 10_000, 40_000_000)
    grown = resident(pooler) - before
    assert grown < 40_000_000, f"{grown} bytes for one client that sent {sent}"


@pytest.mark.parametrize("count", range(6, 18))
def test_a_client_that_is_reset_behind_its_pipeline_keeps_no_server(open_client, sleepers, count):
    client = open_client()
    large = "select 1 /* " + "x" * 60_000 + " */"
    client.ask(*[parse("", large)] * 200, SYNC)  # the kernel makes room for more
    client.send(parse("first", "select pg_sleep(60)"), bind("", "first"), execute(), SYNC)
    process.wait_until(sleepers.count, 10, "server that sleeps")
    # More than is read at a time stays in the socket, and the reset is behind it.
    fill(client, parse("second", large), count * 60_000, seconds=0.5)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    sleepers.wake()
    assert rows(open_client().ask(query("select 2"))) == ["2"]


def test_many_requests_are_all_answered(open_client):
    client = open_client()
    count = 100_000
    import threading
    batch = bind("", "") + execute()
    sender = threading.Thread(target=client.send, args=(
        parse("", "select 1") + batch * count + SYNC + SYNC * count,))
    sender.start()
    answer = client.until("Z", count + 1)
    sender.join()
    assert sum(1 for one in answer if one.type == "D") == count
    # And those behind an error are not.
    sender = threading.Thread(target=client.send, args=(
        parse("", "select 1/0") + batch * count + SYNC,))
    sender.start()
    answer = client.until("Z")
    sender.join()
    assert errors(answer) == ["22012"] and rows(answer) == []
