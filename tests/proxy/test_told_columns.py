"""What a client was told of a statement's columns and parameters holds on every server, or it hears
PostgreSQL's own error: rows are never read by a description that is not theirs."""

import asyncio
import contextlib
import struct
import time

import asyncpg
import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy import wire_client as wire
from tests.proxy.wire_client import FLUSH, SYNC, bind, close, describe, execute, parse, query
from tools import process

STALE = {"S": "ERROR", "V": "ERROR", "C": "0A000",
         "M": "cached plan must not change result type", "R": "RevalidateCachedQuery"}


@pytest.fixture(scope="module")
def pooler(start_howdah):
    return start_howdah("told", pool_mode="transaction", default_pool_size="4")


@pytest.fixture(scope="module")
def database(new_database):
    return new_database("told")


@pytest.fixture
def admin(cluster, database):
    """Straight to PostgreSQL: howdah does not hear of what it changes."""
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, database), autocommit=True) as one:
        one.execute("drop table if exists told")
        one.execute("create table told (id int primary key, v int8, name text)")
        one.execute("insert into told values (1, 42, 'a'), (2, 43, 'b')")
        yield one


@pytest.fixture
def elsewhere(open_client):
    """elsewhere(n): with n servers held by others."""
    @contextlib.contextmanager
    def hold(count):
        others = [open_client() for _ in range(count)]
        for other in others:
            other.ask(query("begin"))
        yield
        for other in others:
            other.ask(query("rollback"))
            other.close()
    return hold


def errors(messages):
    return [wire.fields(one) for one in messages if one.type == "E"]


def stale(messages):
    """The whole answer is PostgreSQL's own error about it, and the session goes on."""
    found = errors(messages)
    return len(found) == 1 and {key: found[0].get(key) for key in STALE} == STALE \
        and not [one for one in messages if one.type == "D"] and messages[-1].type == "Z"


def values(messages):
    """The first column of each row."""
    assert not errors(messages), errors(messages)
    return [one.body[6:6 + struct.unpack("!i", one.body[2:6])[0]].decode()
            for one in messages if one.type == "D"]


def told(client, name="s", sql="select v from told where id = $1::int", kind="S"):
    """Prepares, and hears of the columns: of the statement or of a portal."""
    if kind == "S":
        return client.ask(parse(name, sql), describe("S", name), SYNC)
    return client.ask(parse(name, sql), bind("", name, "1"), describe("P", ""), execute(), SYNC)


def run(client, name="s", *arguments):
    """As a driver does that knows the columns."""
    return client.ask(bind("", name, *(arguments or ("1",))), execute(), SYNC)


@pytest.mark.parametrize("kind", ["S", "P"])
def test_a_server_that_lacks_the_statement(open_client, admin, elsewhere, kind):
    client = open_client()
    told(client, kind=kind)
    assert values(run(client)) == ["42"]
    admin.execute("alter table told alter v type float8")
    with elsewhere(1):
        assert stale(run(client))
        assert stale(run(client)), "as long as it is not prepared anew"
        client.ask(close("S", "s"), SYNC)
        told(client, kind=kind)
        assert values(run(client)) == ["42"]
    for others in range(3):
        with elsewhere(others):
            assert values(run(client)) == ["42"]


@pytest.mark.parametrize("kind", ["S", "P"])
def test_a_server_that_has_it(open_client, admin, kind):
    """PostgreSQL's own error; and it stays, where the statement had to be prepared again here."""
    client = open_client()
    told(client, kind=kind)
    assert values(run(client)) == ["42"]
    admin.execute("alter table told alter v type text")
    for _ in range(3):
        assert stale(run(client))
    told(client, "t", kind=kind)
    assert values(run(client, "t")) == ["42"]
    assert stale(run(client))


def test_what_has_not_changed_works(open_client, admin, elsewhere):
    client = open_client()
    told(client)
    admin.execute("alter table told add extra text")
    for others in range(4):
        with elsewhere(others):
            assert values(run(client)) == ["42"]
    admin.execute("create table other (like told)")
    admin.execute("insert into other select * from told")
    admin.execute("begin; drop table told; alter table other rename to told; commit")
    for others in range(4):
        with elsewhere(others):
            assert values(run(client)) == ["42"]


@pytest.mark.parametrize("change", ["alter v type numeric", "rename v", "varchar"])
def test_each_part_of_a_description_counts(open_client, admin, elsewhere, change):
    if change == "varchar":
        sql, ddl = "select name from told where id = $1", "alter name type varchar(20)"
    elif change == "rename v":
        sql, ddl = "select * from told where id = $1", "rename v to w"
    else:
        sql, ddl = "select v from told where id = $1", change
    client = open_client()
    told(client, sql=sql)
    run(client)
    admin.execute(f"alter table told {ddl}")
    with elsewhere(1):
        assert stale(run(client))


def test_more_columns_than_were_told(open_client, admin, elsewhere):
    client = open_client()
    told(client, sql="select * from told where id = $1")
    admin.execute("alter table told add extra text")
    with elsewhere(1):
        assert stale(run(client))


def test_parameters_count_as_well(open_client, admin, elsewhere):
    """Bound as an int8, it would be written as a float8 of the same bits."""
    client, name = open_client(), "put"
    client.ask(parse(name, "update told set v = $1 where id = 1"), describe("S", name), SYNC)
    admin.execute("alter table told alter v type float8")
    with elsewhere(1):
        assert stale(run(client, name, "7"))
        assert admin.execute("select v from told where id = 1").fetchone() == (42.0,)
        # Whoever also asks for the portal's description was still told other parameters.
        assert stale(client.ask(bind("", name, "7"), describe("P", ""), execute(), SYNC))
        told(client, "again", "update told set v = $1 where id = 1")
        assert not errors(run(client, "again", "7"))
    assert admin.execute("select v from told where id = 1").fetchone() == (7.0,)


def test_who_asks_for_the_portals_columns_hears_of_the_new_ones(open_client, admin, elsewhere):
    client = open_client()
    ask = (bind("", "s", "1"), describe("P", ""), execute(), SYNC)
    client.ask(parse("s", "select v, * from told where id = $1"), *ask)
    admin.execute("alter table told add extra text")
    for others in (0, 1, 2, 3, 0, 1):
        with elsewhere(others):
            assert values(client.ask(*ask)) == ["42"], others
    # And may rely on them from then on.
    for others in range(4):
        with elsewhere(others):
            assert values(run(client)) == ["42"], others
    admin.execute("alter table told alter v type numeric")
    with elsewhere(0):
        assert stale(run(client))


def test_nobody_else_is_refused(open_client, admin, elsewhere):
    """One whose statement is the same, but who was told nothing or the new columns."""
    before, after, asks = open_client(), open_client(), open_client()
    told(before)
    asks.ask(parse("s", "select v from told where id = $1::int"), SYNC)
    admin.execute("alter table told alter v type text")
    with elsewhere(1):
        told(after)
        assert values(run(after)) == ["42"]
        assert values(asks.ask(bind("", "s", "1"), describe("P", ""), execute(), SYNC)) == ["42"]
        assert stale(run(before))
        assert values(run(after)) == ["42"]
        assert values(run(asks)) == ["42"]
    for others in range(4):
        with elsewhere(others):
            assert values(run(after)) == ["42"], others
            assert values(run(asks)) == ["42"], others


def test_an_error_in_place_of_the_columns(open_client, admin):
    """PostgreSQL tells the parameters first; they are nobody else's description."""
    client = open_client()
    told(client, sql="select v from told where id = $1")
    admin.execute("alter table told alter v type text")
    client.ask(query("begin"))
    answer = client.ask(describe("S", "s"), SYNC)
    assert "".join(one.type for one in answer) == "tEZ" and errors(answer)[0]["C"] == "0A000"
    client.ask(query("rollback"))
    client.ask(parse("n", "select name from told where id = $1"), bind("", "n", "1"),
               describe("P", ""), execute(), SYNC)
    told(client, "again", sql="select v from told where id = $1")
    assert values(run(client, "again", "1")) == ["42"]


def test_in_a_transaction_it_fails(open_client, admin, elsewhere):
    client = open_client()
    told(client)
    admin.execute("alter table told alter v type text")
    with elsewhere(1):
        client.ask(query("begin"))
        answer = run(client)
        assert stale(answer) and answer[-1].body == b"E"
        assert errors(run(client))[0]["C"] == "25P02"
        assert client.ask(query("rollback"))[-1].body == b"I"


def test_in_a_pipeline_each_gets_its_own_answer(open_client, admin, elsewhere):
    client = open_client()
    told(client)
    told(client, "n", "select id from told where name = $1")
    admin.execute("alter table told alter v type text")
    with elsewhere(1):
        answer = client.ask(
            bind("", "n", "b"), execute(), SYNC,
            bind("", "s", "1"), execute(), bind("", "n", "a"), execute(), SYNC,
            bind("", "n", "a"), execute(), SYNC, ready=3)
        parts = "".join(one.type for one in answer)
        assert parts == "2DCZ" + "2EZ" + "2DCZ", parts
        assert stale([one for one in answer if one.type in "EZ"])


def test_portions_of_a_portal(open_client, admin, elsewhere):
    client = open_client()
    told(client, sql="select v from told order by id")
    with elsewhere(1):
        client.send(query("begin"), bind("p", "s"), execute("p", 1), execute("p", 1), SYNC)
        answer = client.until("Z", 2)
        assert [one.type for one in answer].count("D") == 2
        client.ask(query("rollback"))


def test_a_setting_that_makes_it_another_table(open_client, admin, elsewhere):
    """The client's own SET search_path, and a server that has never seen the statement."""
    admin.execute("create schema if not exists shadow")
    admin.execute("create table if not exists shadow.told (id int, v text)")
    client = open_client()
    told(client, sql="select v from told where id = $1")
    with elsewhere(1):
        client.ask(query("set search_path = shadow"))
        assert stale(run(client))
        client.ask(query("reset search_path"))
        assert values(run(client)) == ["42"]


@pytest.mark.parametrize("described", [True, False])
def test_a_retry_keeps_what_was_told(open_client, admin, described):
    """ "cached plan must not change result type": sent again, the parameters are the same."""
    client = open_client()
    told(client, sql="select v from told where v = $1")
    admin.execute("alter table told alter v type float8")
    batch = [bind("", "s", "42"), execute(), SYNC]
    if described:
        batch.insert(1, describe("P", ""))
        assert values(client.ask(*batch)) == ["42"]
    else:
        assert stale(client.ask(*batch))


SELECT = "select * from told where id = $1"


@pytest.mark.parametrize("batch", [
    pytest.param((describe("S", "n"), SYNC), id="statement"),
    pytest.param((bind("", "n", "1"), describe("P", ""), execute(), SYNC), id="portal"),
    pytest.param((bind("", "n", "1"), describe("P", ""), execute(), close("P", ""), SYNC),
                 id="portal-closed"),
])
def test_who_prepares_anew_is_not_told_of_an_old_plan(open_client, admin, elsewhere, batch):
    """The server has the statement from before; the one who comes now cannot know."""
    before = open_client()
    for others in range(3):
        with elsewhere(others):
            told(before, f"s{others}", SELECT)
    admin.execute("alter table told add extra text")
    for others in range(4):
        with elsewhere(others):
            client = open_client()
            answer = client.ask(parse("n", SELECT), *batch)
            assert not errors(answer), errors(answer)
            [columns] = [one.body[:2] for one in answer if one.type == "T"]
            assert columns == b"\0\4"
            assert "".join(one.type for one in answer) in ("1tTZ", "12TDCZ", "12TDC3Z")
            assert values(run(client, "n")) == ["1"]


def test_nor_in_a_transaction(open_client, admin, elsewhere):
    before = open_client()
    for others in range(3):
        with elsewhere(others):
            told(before, f"s{others}", SELECT)
    admin.execute("alter table told add extra text")
    unused_since = time.monotonic()
    process.wait_until(lambda: time.monotonic() - unused_since > 2.2, 10, "old plans")
    for others in range(3):
        with elsewhere(others):
            client = open_client()
            client.ask(query("begin"))
            answer = told(client, "n", SELECT)
            assert "".join(one.type for one in answer) == "1tTZ", errors(answer)
            assert values(run(client, "n")) == ["1"]
            client.ask(query("commit"))
            assert values(run(client, "n")) == ["1"]


def test_in_a_transaction_what_is_in_use_is_shared(open_client, admin, pooler):
    """Each client that prepares it in a transaction would else have it parsed again."""
    def parses():
        with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True, prepare_threshold=None,
                             row_factory=psycopg.rows.dict_row) as console:
            return sum(row["total_server_parse_count"] for row in console.execute("SHOW STATS")
                       if row["database"] == "told")
    keeper = open_client()
    told(keeper, "n", "select 4711")
    before = parses()
    for _ in range(20):
        client = open_client()
        client.ask(query("begin"))
        told(client, "n", "select 4711")
        client.ask(query("commit"))
        client.close()
    assert parses() <= before + 2  # a machine may stand still for longer than counts as lately


def test_who_asks_with_a_flush(open_client, admin):
    """As postgres.js and others do: the batch goes on when the columns are known."""
    told(open_client(), sql=SELECT)
    admin.execute("alter table told add extra text")
    client = open_client()
    client.send(parse("n", SELECT), describe("S", "n"), FLUSH)
    assert [one.type for one in client.until("T")] == ["1", "t", "T"]
    assert values(client.ask(bind("", "n", "1"), execute(), SYNC)) == ["1"]
    client.send(parse("m", SELECT), describe("S", "m"), FLUSH)
    client.until("T")
    assert [one.type for one in client.ask(SYNC)] == ["Z"]


def test_a_batch_is_sent_again_with_all_its_messages(open_client, admin):
    """Some drivers close each portal, and what is said behind it belongs to the batch as well."""
    client = open_client()
    for turn in range(3):
        ask = (bind("", "s", "1"), describe("P", ""), execute(), close("P", ""), SYNC)
        if turn == 0:
            client.ask(parse("s", SELECT), *ask)
        answer = client.ask(*ask)
        assert "".join(one.type for one in answer) == "2TDC3Z"
        admin.execute(f"alter table told add more{turn} text")
    told(client, "quiet", SELECT)
    admin.execute("alter table told add last text")
    # The portal that is not described comes first: it may not be run for one who goes by columns.
    assert stale(client.ask(bind("q", "quiet", "1"), execute("q"),
                            bind("", "s", "1"), describe("P", ""), execute(), SYNC))


def test_asyncpg_prepares_anew(uris, admin, elsewhere):
    async def go():
        seen = []
        for turn in range(3):
            admin.execute(f"alter table told add more{turn} int default {turn}")
            for held in range(3):
                with elsewhere(held):
                    one = await asyncpg.connect(uris["howdah"])
                    seen.append(list(await one.fetchrow("select * from told where id = $1", 1)))
                    await one.close()
        return seen
    assert asyncio.run(go()) == [[1, 42, "a", *range(turn + 1)]
                                 for turn in range(3) for _ in range(3)]


def test_asyncpg_reads_and_writes_the_right_values(uris, admin):
    """It keeps statements, knows their columns and parameters, and speaks binary."""
    async def go(uri):
        connections = [await asyncpg.connect(uri) for _ in range(3)]
        first, *others = connections
        seen = []
        for turn, kind in enumerate(("int8", "float8", "timestamptz using to_timestamp(v)")):
            admin.execute("alter table told alter v type " + kind)
            for held in (2, 1, 0):
                begun = [other.transaction() for other in others[:held]]
                for one in begun:
                    await one.start()
                seen.append(await first.fetchval("select v from told where id = $1", 1))
                if turn < 2:
                    await first.execute("update told set v = $1 where id = 2", 44)
                    seen.append(await first.fetchval("select v::text from told where id = 2"))
                for one in begun:
                    await one.rollback()
        for one in connections:
            await one.close()
        return seen
    through = asyncio.run(go(uris["howdah"]))
    admin.execute("alter table told alter v type int8 using extract(epoch from v)")
    assert through == asyncio.run(go(uris["direct"]))
