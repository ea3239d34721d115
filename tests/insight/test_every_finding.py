"""Every finding through a running howdah: the work done wrong is found, the same done right is not.

A row for each rule. The rules that the program knows, the rows here and the table in docs/insight.md
are the same. What takes time on purpose (transactions that stay open, periods of 20 s) runs beside
the others from the start.
"""

import itertools
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.conftest import USER
from tests.observe.test_http import Watched, running, server_of
from tools import process, proxy
from tools.pgcluster import SUPERUSER
from tools.shell import ROOT, Failed

PATIENCE = 50
# What is said after two periods of 20 s takes 40 s where nothing is slow.
PATIENCE_OF_SESSIONS = 240
DATABASE = "every_finding"
READERS = "replica_bad"     # other names of the same database: statistics are by name
WRITERS = "replica_good"
COLUMNS = ("id", "email", "name", "role", "active", "created_at")

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")

# Tables of one column that is looked up, with and without an index; wide rows; and views whose rows
# take their time without taking the processor's.
SCHEMA = f"""
create table visits as select n as id, n % 50000 as person_id from generate_series(1, 300000) n;
create table indexed_visits as select * from visits;
create index on indexed_visits (person_id);
create table documents as
    select n as id, 'title ' || n as title, repeat('x', 3000) as body from generate_series(1, 50) n;
create view slow_users as select *, pg_sleep(0.07) is null as slow from users;
create view slow_organizations as select *, pg_sleep(0.07) is null as slow from organizations;
create view slow_leads as select *, pg_sleep(0.07) is null as slow from leads;
create table settings as select n as id, 'name ' || n as name from generate_series(1, 60000) n;
create table switches as select n as id, true as active from generate_series(1, 60000) n;
create view switch_list as select * from switches;
create view reports as select *, pg_sleep(0.1) is null as slow from leads;
analyze;
grant select, update on all tables in schema public to {USER};
"""

Connect = Callable[[], psycopg.Connection]
Work = Callable[[Connect], None]


class World(Watched):
    """A howdah whose findings are asked for by rule, and by whom they concern."""

    def found(self, rule: str, **callers: str) -> list[dict]:
        query = "".join(f"&{name}={value}" for name, value in callers.items())
        return self.get(f"/api/findings?rule={rule}&limit=500{query}").json()["findings"]

    def shown(self, rule: str, word: str) -> list[dict]:
        """Rows of SHOW FINDINGS, their text on one line."""
        with self.connect("howdah") as connection:
            cursor = psycopg.ClientCursor(connection, row_factory=psycopg.rows.dict_row)
            rows = cursor.execute("show findings").fetchall()
        rows = [{**row, "finding": " ".join(row["finding"].split())} for row in rows]
        return [row for row in rows if row["rule"] == rule and word in row["finding"]]

    def caller(self, application: str, database: str = DATABASE) -> Connect:
        return lambda: self.connect(database, application_name=application)


def in_turn(good: Work, bad: Work) -> Callable[[World, str], None]:
    """The good way goes first: when the other is found, what it had to show is known too."""
    def play(world: World, rule: str) -> None:
        good(world.caller(f"{rule}-good"))
        bad(world.caller(f"{rule}-bad"))
    return play


def transactions(work: Callable[[psycopg.Connection, int], None], times: int = 4) -> Work:
    def all_of_them(connect: Connect) -> None:
        with connect() as connection:
            for turn in range(times):
                with connection.transaction():
                    work(connection, turn)
    return all_of_them


def calls(text: str, values, **options) -> Work:
    def all_of_them(connect: Connect) -> None:
        with connect() as connection:
            for each in values:
                connection.execute(text, each, **options)
    return all_of_them


# --- Loops -------------------------------------------------------------------------------------

def organizations(connection: psycopg.Connection, turn: int) -> list[int]:
    rows = connection.execute("select id, name from organizations where id > %s order by id limit 12",
                              [turn * 12]).fetchall()
    assert len(rows) == 12
    return [row[0] for row in rows]


def contacts_one_by_one(connection: psycopg.Connection, turn: int) -> None:
    for each in organizations(connection, turn):
        connection.execute("select last_name from contacts where organization_id = %s", [each])


def contacts_at_once(connection: psycopg.Connection, turn: int) -> None:
    connection.execute("select first_name from contacts where organization_id = any(%s)",
                       [organizations(connection, turn)])


def scores_one_by_one(connection: psycopg.Connection, turn: int) -> None:
    for number in range(1, 9):
        connection.execute("update leads set score = %s where id = %s", [turn, number])


def scores_at_once(connection: psycopg.Connection, turn: int) -> None:
    connection.execute("update leads set score = v.score from unnest(%s::int[], %s::smallint[]) "
                       "as v (id, score) where leads.id = v.id",
                       [list(range(1, 9)), [turn] * 8])


def user_again_and_again(connection: psycopg.Connection, turn: int) -> None:
    for _ in range(4):
        connection.execute("select role from users where id = %s", [turn + 1])


def user_once(connection: psycopg.Connection, turn: int) -> None:
    """And again where it was written in between."""
    for _ in range(4):
        connection.execute("select active from users where id = %s", [turn + 1])
        connection.execute("update users set active = not active where id = %s", [turn + 1])


def traced(text: str, request: int) -> str:
    return f"{text} /*traceparent='00-{request:032x}-00f067aa0ba902b7-01'*/"


PAGE = ("select name from slow_users where id = %s", "select city from slow_organizations where id = %s",
        "select company from slow_leads where id = %s")


def reads_in_a_row(connect: Connect) -> None:
    with connect() as connection:
        for request in range(1, 5):
            for text in PAGE:
                connection.execute(traced(text, request), [request])


def reads_side_by_side(connect: Connect) -> None:
    """And in a row where one needs what the one before it brought."""
    with ThreadPoolExecutor(len(PAGE)) as pool, connect() as a, connect() as b, connect() as c:
        for request in range(11, 15):
            for done in [pool.submit(connection.execute, traced(text, request), [request])
                         for connection, text in zip((a, b, c), PAGE)]:
                done.result()
        owned = [row[0] for row in a.execute(
            "select id from leads where owner_id is not null order by id limit 4").fetchall()]
        for request in range(21, 25):
            [[owner]] = a.execute(traced("select owner_id from slow_leads where id = %s", request),
                                  [owned[request - 21]]).fetchall()
            [[user]] = a.execute(traced("select id from slow_users where id = %s", request),
                                 [owner]).fetchall()
            a.execute(traced("select email from slow_organizations where id = %s", request), [user])


# --- Statements --------------------------------------------------------------------------------

def values_in_the_text(connect: Connect) -> None:
    with connect() as connection:
        cursor = psycopg.ClientCursor(connection)
        for number in range(120):
            cursor.execute("select city from organizations where id = %s", [number])


def lists_of_every_length(connect: Connect) -> None:
    with connect() as connection:
        for length in range(1, 21):
            connection.execute("select phone from contacts where id in "
                               f"({', '.join(['%s'] * length)})", list(range(length)))


def worth_no_cache(connect: Connect) -> None:
    """What is asked before is written as often, be it behind a view; what is not is asked once."""
    with connect() as connection:
        for number in range(150):
            connection.execute("select count(active) from switch_list where id %% 7 = %s",
                               [number % 3 + 1])
            if number % 5 == 0:
                connection.execute("update switches set active = not active where id = %s",
                                   [number % 3 + 1])
    calls("select min(name) from settings where id %% 1000 = %s",
          [[number] for number in range(150)])(connect)


def every_statement(connect: Connect) -> None:
    """63 of them, each with other columns: numbers in names would make one of them."""
    with connect() as connection:
        for bits in range(1, 64):
            names = [name for place, name in enumerate(COLUMNS) if bits >> place & 1]
            connection.execute(f"select {', '.join(names)} from users where id = %s", [bits])


def one_statement(connect: Connect) -> None:
    calls(f"select {', '.join(COLUMNS)} from users where id = %s", [[n] for n in range(63)])(connect)


def too_many_statements(world: World, rule: str) -> None:
    one_statement(world.caller(f"{rule}-good"))

    def seen() -> bool:
        rows = world.get(f"/api/queries?application={rule}-good").json()["queries"]
        return sum(row["calls"] for row in rows) == 63
    process.wait_until(seen, PATIENCE, "statistics")
    assert [] == world.found(rule)
    every_statement(world.caller(f"{rule}-bad"))


def read_reports(connect: Connect, *, written: bool) -> None:
    """Ten at a time, 10 s of the server's in all. What is written with what was read must be read
    where it is written. BEGIN goes along in the pipeline, so that no status says that a transaction is
    open."""
    def session(number: int) -> None:
        with connect() as connection:
            for turn in range(10):
                if not written:
                    connection.execute("select company from reports where id = %s", [turn + 1])
                    continue
                with connection.pipeline():
                    connection.execute("begin")
                    connection.execute("select source from reports where id = %s", [turn + 1])
                connection.execute("update leads set score = %s where id = %s", [turn, number + 100])
                connection.execute("commit")
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(session, range(10)))


def reports(world: World, rule: str) -> None:
    read_reports(world.caller(f"{rule}-good", WRITERS), written=True)
    read_reports(world.caller(f"{rule}-bad", READERS), written=False)


# --- Sessions: both ways at the same time, until the bad one is found ------------------------------

def idle_in_transaction(world: World, rule: str) -> None:
    with world.caller(f"{rule}-good")() as good, world.caller(f"{rule}-bad")() as bad:
        with good.transaction():
            good.execute("select 1 from users")
        bad.execute("begin")
        bad.execute("select 1 from users")
        process.wait_until(lambda: world.found(rule, application=f"{rule}-bad"),
                           PATIENCE_OF_SESSIONS, rule, step=0.2)
        bad.execute("rollback")


def long_transaction(world: World, rule: str) -> None:
    """Busy all the time, in one transaction or in one for each piece."""
    with world.caller(f"{rule}-good")() as good, world.caller(f"{rule}-bad")() as bad:
        bad.execute("begin")

        def piece() -> list[dict]:
            bad.execute("select 1 from users")
            with good.transaction():
                good.execute("select 1 from users")
            return world.found(rule, application=f"{rule}-bad")
        process.wait_until(piece, PATIENCE_OF_SESSIONS, rule, step=0.2)
        bad.execute("commit")


def connection_churn(world: World, rule: str) -> None:
    """A connection for each statement, or a pool whose connections send a few each."""
    pool = [world.caller(f"{rule}-good")() for _ in range(25)]
    turns = itertools.cycle(pool)

    def requests() -> list[dict]:
        for _ in range(5):  # well over one a second, also where all is slow
            with world.caller(f"{rule}-bad")() as connection:
                connection.execute("select name from users where id = 1")
        next(turns).execute("select name from users where id = 2")
        return world.found(rule, application=f"{rule}-bad")
    try:
        for connection in pool:
            connection.execute("select name from users where id = 2")
        process.wait_until(requests, PATIENCE_OF_SESSIONS, rule, step=0.25)
    finally:
        for connection in pool:
            connection.close()


# --- The table ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class Row:
    rule: str
    play: Callable[[World, str], None]
    confidence: str
    message: str            # these are searched for as regular expressions
    evidence: str
    fix: str
    slow: bool = False      # played from the start, beside the others
    asked_of: str = ""      # what decides is asked of PostgreSQL, and comes a little later
    databases: tuple[str, str] = ()  # concerns these, good and bad, and no application
    world: str = "watched"


ROWS = [
    Row("n-plus-one", in_turn(transactions(contacts_at_once), transactions(contacts_one_by_one)),
        "certain", r'last_name from contacts where .* \(\$1 from "id" of: select id, name from org',
        r"4 windows \(confirmed 4, likely 0, suspected 0\), 12 rounds each on average, 12 at most",
        r"Ask once for all: select \.\. from contacts where organization_id = any\(\$1\)"),
    Row("write-loop", in_turn(transactions(scores_at_once), transactions(scores_one_by_one)),
        "certain", "writes row by row: update leads set score = ",
        r"4 windows \(confirmed 4, .* 8 rounds each on average, 8 at most",
        r"Write all at once: .*unnest\(\$1, \$2\)\) update leads"),
    Row("duplicate-query", in_turn(transactions(user_once), transactions(user_again_and_again)),
        "certain", "asks the same again with the same values: select role from users",
        r"4 windows \(confirmed 4, .* 4 rounds each on average, 4 at most",
        "Ask once and keep the answer"),
    Row("sequential-reads", in_turn(reads_side_by_side, reads_in_a_row),
        "certain", r"waits for one read .*: select name from slow_users .*; then select city from slow",
        r"[34] windows \(confirmed [34], .* 3 rounds each on average, 3 at most",
        r"Start them together: Promise\.all"),
    Row("unbounded-result",
        in_turn(calls("select id, body from interactions where id > %s order by id limit 100",
                      [[page * 100] for page in range(6)]),
                calls("select id, body from interactions order by id", [None] * 6)),
        "certain", r"returns \d{4,} rows a call and has no LIMIT: select id, body from interactions",
        r"6 calls, (\d{4,}) rows and \d+ KiB a call, \1 rows at most", "Add ORDER BY a key and LIMIT"),
    Row("missing-index",
        in_turn(calls("select id from indexed_visits where person_id = %s",
                      [[n] for n in range(12)], prepare=True),
                calls("select id from visits where person_id = %s",
                      [[n] for n in range(12)], prepare=True)),
        "likely", "reads a whole table for few rows: select id from visits",
        r"12 calls, 6\.0 rows each, .* the plan reads 300000 rows of visits .*Seq Scan on visits",
        r"^create index concurrently on visits \(person_id\)$", asked_of="its plan"),
    Row("select-star-wide",
        in_turn(calls("select id, title from documents where id > %s limit 10",
                      [[n] for n in range(6)]),
                calls("select * from documents where id > %s limit 10", [[n] for n in range(6)])),
        "certain", r"fetches every column of rows of [23]\.\d KiB: select \* from documents",
        r"6 calls, 60 rows, 0\.2 MiB sent", "Name the columns that are used"),
    Row("deep-offset",
        in_turn(calls("select id from contacts where id > %s order by id limit 5",
                      [[page * 400] for page in range(8)], prepare=True),
                calls("select id from contacts order by id limit 5 offset %s",
                      [[page * 400] for page in range(8)], prepare=True)),
        "certain", r"skips up to 4096 rows with OFFSET: select id from contacts",
        r"8 calls, p95 [\d.]+ ms, slowest [\d.]+ ms",
        r"Keyset paging: where \(key\) > \(the last one seen\)"),
    Row("inlined-literals",
        in_turn(calls("select segment from organizations where id = %s",
                      [[n] for n in range(120)]), values_in_the_text),
        "certain", r"comes with its values inside the text: select city from organizations where id = \$1",
        r"120 calls with about (9\d|1[0-4]\d) texts, 100 % by the simple protocol",
        r"Send parameters: \$1 in the text"),
    Row("variable-in-list",
        in_turn(calls("select position from contacts where id = any(%s)",
                      [[list(range(length))] for length in range(1, 21)]), lists_of_every_length),
        "certain", r"has a text for each length of its IN list: select phone from contacts",
        r"20 calls with about (1[5-9]|2[0-5]) texts", r"= any\(\$1\) with an array has one text"),
    Row("cache-opportunity",
        in_turn(worth_no_cache, calls("select count(name) from settings where id %% 7 = %s",
                                      [[n % 3 + 1] for n in range(150)])),
        "certain", r"is answered anew each time, though mostly asked before: select count\(name\) from "
        r"settings", r"150 calls, 98 % with values that one of the last 16 different ones had, 0 writes "
        "to its tables",
        "Keep the answer for a while"),
    Row("replica-opportunity", reports,
        "likely", rf"(9\d|100) % of the statements' time in database {READERS} is reads",
        r"[1-9]\d\.\d s of [1-9]\d\.\d s seen", "Send reads that may be a moment old to a replica",
        databases=(WRITERS, READERS)),
    Row("too-many-statements", too_many_statements,
        "certain", "more different statements than can be told apart",
        r"6[3-9] seen, (4[7-9]|5\d) made room, 1[0-6] kept",
        "Keep texts constant and send values as parameters; statement_shapes_max",
        world="crowded", databases=("", "")),
    Row("idle-in-transaction", idle_in_transaction,
        "certain", r"every_finding/app \(idle-in-transaction-bad\) leaves transactions open",
        r"idle for up to ([2-9]|\d\d) s, seen [2-9] times",
        "Commit before anything slow .* idle_transaction_timeout", slow=True),
    Row("long-transaction", long_transaction,
        "certain", r"every_finding/app \(long-transaction-bad\) keeps transactions open for long",
        r"open for up to ([3-9]|\d\d) s, seen [2-9] times",
        "Work in smaller pieces; transaction_timeout", slow=True),
    Row("connection-churn", connection_churn,
        "certain", r"127\.0\.0\.1 \(connection-churn-bad\) connects anew for every few statements",
        r"([4-9]\d|\d{3,}) connections in [2-9] periods of 20 s", "Keep connections: a pool", slow=True),
]


@contextmanager
def a_world(folder: Path, cluster, **settings: str):
    server = server_of(cluster)
    databases = {name: f"{server} dbname={DATABASE}" for name in (DATABASE, READERS, WRITERS)}
    with running(folder, databases, pool_mode="transaction", stats_users=USER, **settings) as one:
        yield World(one.proxy, one.port)


@pytest.fixture(scope="module")
def database(cluster, new_database):
    new_database(DATABASE)
    cluster.primary.sql(SCHEMA, DATABASE)


@pytest.fixture(scope="module")
def crowded(database, run_folder, cluster):
    with a_world(Path(run_folder) / "crowded", cluster, statement_shapes_max="16") as one:
        yield one


@pytest.fixture(scope="module")
def watched(database, run_folder, cluster):
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    slow = [row for row in ROWS if row.slow]
    with a_world(Path(run_folder) / "every-finding", cluster, slow_query_explain=explain,
                 insight_idle_transaction="2", insight_long_transaction="3") as one, \
            ThreadPoolExecutor(len(slow)) as pool:
        one.playing = {row.rule: pool.submit(row.play, one, row.rule) for row in slow}
        yield one


def rules_of_the_program(world: World) -> set[str]:
    answer = world.get("/api/findings?rule=none-of-them")
    assert answer.status == 400
    return set(re.findall("[a-z-]+", json.loads(answer.body)["error"].removeprefix("rules are")))


def test_every_rule_has_a_row(watched):
    rows = [row.rule for row in ROWS]
    assert len(rows) == len(set(rows)) and set(rows) == rules_of_the_program(watched)
    table = (ROOT / "docs" / "insight.md").read_text().split("| rule | what it says |")[1]
    lines = itertools.takewhile(lambda line: line.startswith("|"), table.splitlines()[1:])
    assert set(rows) == {rule for line in lines
                         for rule in re.findall("`([a-z-]+)`", line.split("|")[1])}


def wrong_parts(row: Row, finding: dict) -> dict[str, str]:
    """What does not read as it must."""
    parts = {part: finding[part] for part in ("message", "evidence", "fix")
             if not re.search(getattr(row, part), finding[part])}
    return parts | ({} if finding["confidence"] == row.confidence
                    else {"confidence": finding["confidence"]})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_found_where_it_is_done_wrong_and_not_where_right(row, request):
    world: World = request.getfixturevalue(row.world)
    if row.slow:
        world.playing[row.rule].result(PATIENCE_OF_SESSIONS)
    else:
        row.play(world, row.rule)
    what = "database" if row.databases else "application"
    good, bad = row.databases or (f"{row.rule}-good", f"{row.rule}-bad")
    by = {what: bad} if bad else {}

    def complete() -> list[dict]:
        """It is said before everything has been counted."""
        return [each for each in world.found(row.rule, **by) if not wrong_parts(row, each)]
    try:
        process.wait_until(complete, PATIENCE, row.rule, step=0.1)
    except Failed:
        assert [] == [wrong_parts(row, each) for each in world.found(row.rule, **by)]
        raise
    [finding] = world.found(row.rule, **by)
    assert {} == wrong_parts(row, finding)
    assert finding["why"] and finding["first_seen"] <= finding["last_seen"]
    assert bad in finding["message"] or bad in finding["applications"]

    [line] = world.shown(row.rule, bad)
    text = re.fullmatch("(?P<message>.*) Seen: (?P<evidence>.*) Do: (?P<fix>.*) By:(?P<by>.*)",
                        line["finding"])
    assert {} == wrong_parts(row, {"confidence": line["confidence"], **text.groupdict()})
    assert bad in text["by"]

    if good and row.asked_of:
        process.wait_until(lambda: not world.found(row.rule, **{what: good}), PATIENCE, row.asked_of)
    elif good:
        assert [] == world.found(row.rule, **{what: good})
        assert [] == world.shown(row.rule, good)
