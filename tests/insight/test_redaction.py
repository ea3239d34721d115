"""Values never leave the process but to where they were sent.

Canaries are planted wherever a value can stand: every form of literal, texts that are no SQL, binds
in text and binary, comments, COPY data, what PostgreSQL puts into its errors. They are looked for in
every SHOW, every page of the API, the metrics, the log at its most talkative with slow statements
and their plans, and every file of the process's folder.
"""

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.observe.test_http import running, server_of
from tools import process, proxy
from tools.pgcluster import SUPERUSER

PATIENCE = 45
CANARY = "zqx7canary"        # in any case, with anything behind it
NUMBER = "77351926"          # the same for what must be digits
HEX = CANARY.encode().hex()

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")

# NAME: text; each @@ is a canary of its own.
LITERALS = {
    "plain": "select '@@' from users limit 1",
    "doubled quote": "select 'it''s @@' from users limit 1",
    "two lines": "select 'a @@'\n'b @@' from users limit 1",
    "escapes": r"select E'it\'s @@' from users limit 1",
    "escapes that spell": r"select E'\x7a @@' from users limit 1",
    "dollar": "select $$@@$$ from users limit 1",
    "dollar with a tag": "select $tag$ $$ @@ $tag$ from users limit 1",
    "unicode": r"select U&'d\0061t @@' from users limit 1",
    "unicode with its own escape": "select U&'d!0061t @@' uescape '!' from users limit 1",
    "national": "select n'@@' from users limit 1",
    "cast": "select '@@'::text, cast('@@' as varchar), text '@@' from users limit 1",
    "array": "select array['@@', '@@'], '{@@}'::text[] from users limit 1",
    "json": """select '{"key": "@@"}'::jsonb ->> 'key' from users limit 1""",
    "list": "select name from users where email in ('@@', '@@', '@@')",
    "values": "select * from (values ('@@', 1), ('@@', 2)) as v (a, b)",
    "clock": "select 'now @@' from users limit 1",
    "function": "select length('@@'), format('%s', '@@') from users limit 1",
    "like": "select name from users where name like '@@%' escape '!'",
    "block": "do $$ begin perform '@@'; end $$",
    "block with a tag": "do language plpgsql $body$ begin perform 'x', $x$@@$x$; end $body$",
    "function's body": "create or replace function f_redaction() returns text language sql as "
                       "$$ select '@@' $$",
    "atomic body": "create or replace function f_redaction() returns text language sql "
                   "begin atomic select '@@'; end",
    "default": "create temporary table if not exists t_redaction (a text default '@@')",
    "comment on": "comment on table leads is '@@'",
    "setting": "set application.secret = '@@'",
    "set config": "select set_config('application.secret', '@@', false)",
    "prepare": "prepare p_redaction as select '@@'::text; execute p_redaction; "
               "deallocate p_redaction",
    "execute": "prepare p_redaction (text) as select $1; execute p_redaction ('@@'); "
               "deallocate p_redaction",
    "cursor": "begin; declare c_redaction cursor for select '@@'; fetch c_redaction; commit",
    "notify": "notify channel_redaction, '@@'",
    "explain": "explain select name from users where email = '@@'",
    "several": "select '@@'; select 2, '@@' from users limit 1",
    "loop": "with recursive r as (select 1 as n, '@@' as t union all select n + 1, t from r "
            "where n < 3) select * from r",
    "write": "update leads set email = '@@' where id = -1",
    "slow": "select pg_sleep(0.12), '@@' from users where name <> '@@' limit 1",
}
NUMBERS = {
    "integer": "select name from users where id = @@",
    "negative": "select name from users where id = -@@",
    "decimal": "select @@.5, .@@, @@e2 from users limit 1",
    "cast": "select '@@'::bigint, @@::text from users limit 1",
    "bits": "select b'1010'::text, x'@@' from users limit 1",
    "limit": "select name from users limit @@",
    "junk": "select @@abc from users",
    "slow": "select pg_sleep(0.12) from users where id <> @@ limit 1",
}
# Errors quote the value, and texts that are no SQL have it where no literal is.
REFUSED = {
    "not a number": "select '@@'::int",
    "unique": "insert into users (email, name) values ('@@', 'x'), ('@@', 'x')",
    "check": "insert into interactions (organization_id, user_id, kind, subject) "
             "values (1, 1, '@@', 'x')",
    "no such": "select to_regclass('@@')::oid::regclass::text, '@@'::regclass",
    "raised": "do $$ begin raise exception 'no @@' using detail = '@@', hint = '@@'; end $$",
    "role": "alter role nobody_there password '@@' superuser",
    "typo": "selec '@@'",
    "typo and a number": "selec name from users where id = 5 and email = '@@' order",
    "quote not doubled": "insert into leads (company) values ('it's @@')",
    "quote not doubled, twice": "insert into leads (company, email) values ('it's @@', 'it's @@')",
    "quote in a list": "select * from leads where email in ('a' @@ ', 'b')",
    "open": "select 'it is @@",
    "open escape": r"select E'it is \' @@",
    "open dollar": "select $a$ @@ $b$",
    "open comment": "select 1 /* @@",
    "open name": 'select "a @@',
    "backslash": r"select 'a\' || '@@', 'b'c'",
    "shell": "select * from leads where email = $1@@",
}
COMMENTS = [
    "select 3 /* @@ */ from users limit 1",
    "/* @@ */ select 4 from users limit 1",
    "select 5 -- @@\n from users limit 1",
    "select 6 /* outer /* @@ */ @@ */ from users limit 1",
    "select 7 from users limit 1 /*email='@@',route='%2Fkept',user_id='@@'*/",
    "select 8 from users limit 1 /*token:@@,controller:kept*/",
    "select 9 from users limit 1 /*traceparent='00-@@-00f067aa0ba902b7-01',route='%2Fkept'*/",
    "select 10 from users limit 1 /*prismaQuery='User.findMany%3A@@'*/",
]


class Plants:
    """Each canary by the place in which it was planted."""

    def __init__(self):
        self.places: dict[str, str] = {}

    def text(self, place: str) -> str:
        # A letter at the end: "canary1" must not be found in "canary10".
        return self.note(f"{CANARY}{len(self.places)}z", place)

    def number(self, place: str) -> str:
        return self.note(f"{NUMBER}{len(self.places):03}", place)

    def note(self, canary: str, place: str) -> str:
        self.places[canary] = place
        return canary

    def fill(self, text: str, place: str, make) -> str:
        return re.sub("@@", lambda _: make(place), text)

    def found_in(self, text: str) -> list[str]:
        low = text.lower()
        return [place for canary, place in self.places.items() if canary in low] + \
            [f"somewhere: {low[max(0, at - 60):at + 40]}" for word in (CANARY, NUMBER, HEX)
             if (at := low.find(word)) >= 0]


@pytest.fixture(scope="module")
def watched(run_folder, cluster, new_database):
    database = new_database("redaction")
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    with running(Path(run_folder) / "redaction", {database: server_of(cluster)},
                 pool_mode="transaction", slow_query_time="0.1", metrics_top_queries="500",
                 stats_users=USER, slow_query_explain=explain, verbose="2", log_stats="1",
                 stats_period="1", default_pool_size="5", insight_sample_above="1000000") as one:
        one.database = database
        yield one


def plant_texts(connection: psycopg.Connection, plants: Plants) -> None:
    for kind, texts, make in (("literal", LITERALS, plants.text), ("number", NUMBERS, plants.number),
                              ("refused", REFUSED, plants.text)):
        for name, text in texts.items():
            for _ in range(2):  # known, and seen before
                filled = plants.fill(text, f"{kind}: {name}", make)
                try:
                    psycopg.ClientCursor(connection).execute(filled)
                except psycopg.Error:
                    if kind == "literal":
                        raise
                if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    connection.rollback()
    for number, text in enumerate(COMMENTS):
        filled = plants.fill(text, f"comment {number}", plants.text)
        psycopg.ClientCursor(connection).execute(filled)


def plant_binds(connection: psycopg.Connection, plants: Plants) -> None:
    for binary in (False, True):
        for _ in range(4):
            place = f"bind, {'binary' if binary else 'text'}"
            connection.execute("select name from users where email = %b or id = %b" if binary
                               else "select name from users where email = %t or id = %t",
                               [plants.text(place), int(plants.number(place))],
                               prepare=True, binary=binary)
            connection.execute("select %b::bytea as a" if binary else "select %t::bytea as b",
                               [plants.text(place).encode()], binary=binary)
        connection.execute("select pg_sleep(0.12), name from users where email <> %s limit 1",
                           [plants.text("bind, slow")], binary=binary)
        with pytest.raises(psycopg.Error):
            connection.execute("select %s::text::int", [plants.text("bind, refused")],
                               binary=binary)


def plant_copy(connection: psycopg.Connection, plants: Plants) -> None:
    connection.execute("create table copied (id int, company text, email text)")
    with connection.cursor() as cursor:
        with cursor.copy("copy copied (company, email) from stdin") as copy:
            for _ in range(8):
                copy.write_row((plants.text("copy"), plants.text("copy")))
        with pytest.raises(psycopg.Error), cursor.copy("copy copied (company, id) from stdin") as copy:
            copy.write_row((plants.text("copy, refused"), plants.text("copy, refused")))
        with cursor.copy("copy (select company, email from copied) to stdout") as copy:
            assert CANARY in b"".join(map(bytes, copy)).decode()
    # Results: read by the tap, and found again in parameters.
    for _ in range(4):
        with connection.transaction():
            for company, in connection.execute("select company from copied").fetchall():
                connection.execute("select id from copied where email = %s", [company],
                                   prepare=True)


def plant_sessions(watched, plants: Plants) -> None:
    """Start-up parameters that the server refuses, with the value in its words; cancelled logins."""
    for options in (f"-c work_mem={plants.text('start-up option')}",
                    f"-c search_path='{plants.text('search_path')}'"):
        with pytest.raises(psycopg.Error):
            with watched.connect(watched.database, options=options) as connection:
                connection.execute("select 1")
                raise psycopg.Error  # not every option is refused
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(watched.proxy.uri(watched.database)
                        .replace(PASSWORD, plants.text("wrong password")))
    with psycopg.connect(watched.proxy.uri("howdah"), autocommit=True) as console:
        for text in (f"select '{plants.text('console')}'",
                     f"set nothing_like_it = '{plants.text('console, SET')}' x"):
            with pytest.raises(psycopg.Error):
                psycopg.ClientCursor(console).execute(text)


def shows(watched) -> dict[str, str]:
    """Every SHOW that the console's help names."""
    notices: list[str] = []
    seen = {}
    with psycopg.connect(watched.proxy.uri("howdah"), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_detail or ""))
        cursor = psycopg.ClientCursor(connection)
        cursor.execute("show help")
        names = [name.lower() for line in re.findall(r"SHOW ([A-Z_|]+)", notices[0])
                 for name in line.split("|")]
        assert {"queries", "findings", "clients", "servers", "config", "mem"} <= set(names)
        for name in names:
            if name not in ("help", "fds"):
                cursor.execute(f"show {name}")
                seen[f"show {name}"] = json.dumps(cursor.fetchall(), default=str)
    return seen


def pages(watched) -> dict[str, str]:
    seen = {"/metrics": watched.get("/metrics").body, "/api/pools": watched.get("/api/pools").body,
            "/readyz": watched.get("/readyz").body}
    for path in ("/api/queries", "/api/findings"):
        offset, total = 0, 1
        while offset < total:
            page = f"{path}?limit=500&offset={offset}"
            answer = watched.get(page)
            seen[page] = answer.body
            total, offset = answer.json()["total"], offset + 500
    return seen


def files(watched) -> dict[str, str]:
    folder = Path(watched.proxy.log).parent
    return {str(path): path.read_bytes().decode(errors="replace")
            for path in folder.rglob("*") if path.is_file()}


def test_no_value_leaves_the_process(watched):
    plants = Plants()
    with watched.connect(watched.database, application_name="redacted") as connection:
        plant_texts(connection, plants)
        plant_binds(connection, plants)
        plant_copy(connection, plants)
    plant_sessions(watched, plants)

    def text_of_log() -> str:
        return Path(watched.proxy.log).read_text()
    # Everything has gone as far as it goes: statistics, findings, slow statements and their plans.
    process.wait_until(lambda: any(
        row["calls"] >= 4 for row in watched.queries("from+copied+where+email")), PATIENCE, "events")
    process.wait_until(lambda: watched.get("/api/findings?rule=n-plus-one").json()["total"] > 0,
                       PATIENCE, "finding")
    process.wait_until(lambda: text_of_log().count("slow statement") >= 4, PATIENCE, "slow log")
    process.wait_until(lambda: text_of_log().count("plan of") >= 2, PATIENCE, "plans")
    process.wait_until(lambda: "stats: " in text_of_log(), PATIENCE, "statistics in the log")

    seen = {**shows(watched), **pages(watched), **files(watched)}
    leaks = [f"{place} in {where}" for where, text in seen.items() for place in
             plants.found_in(text)]
    assert not leaks, "\n".join(leaks[:20])
    # What is kept by intention is there: the test looked at the right places.
    queries = "".join(text for where, text in seen.items() if "/api/queries" in where)
    assert "route=/kept" in queries and "controller=kept" in queries
    assert "prismaQuery=User.findMany" in queries
    log = text_of_log()
    assert "invalid command" in log and "refused a value" in log and "where name <> $" in log
    assert len(plants.places) > 150


def test_the_search_finds_what_is_there(watched):
    """An application_name is no secret: it is shown, and found."""
    plants = Plants()
    with watched.connect(watched.database, application_name=plants.text("name")) as connection:
        connection.execute("select 1")
        assert "name" in plants.found_in(shows(watched)["show clients"])
