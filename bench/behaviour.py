"""./dev bench behaviour: what a client's session state becomes in transaction mode, on each pooler.

Each probe is what an application does, with a second client that takes the server in between; what
then happens is printed in the words of the pooler or the server. The README's table is this one.

    ./dev bench behaviour
    ./dev bench behaviour --pgbouncer /opt/pgbouncer-1.25.2/bin/pgbouncer
"""

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

import asyncpg
import psycopg
from psycopg import pq

from bench import _peers
from bench.proxy import World
from tools import process
from tools.shell import BUILD, Failed, say, warn

POOLERS = ("howdah-io_uring", "howdah-epoll", "pgbouncer")
NOTIFIED_SECONDS_MAX = 3.0
PROBES = {}


def probe(title: str):
    def note(function):
        PROBES[title] = function
        return function
    return note


class Place:
    """Clients of one pooler with two server connections, and one beside it."""

    def __init__(self, peer, world, stack):
        self.peer, self.world, self.stack = peer, world, stack

    def client(self) -> psycopg.Connection:
        return self.stack.enter_context(psycopg.connect(
            host="127.0.0.1", port=self.peer.port, user=_peers.USER, dbname=_peers.DATABASE,
            sslmode="disable", autocommit=True, prepare_threshold=None))

    def direct(self, sql: str) -> str:
        return self.world.server.sql(sql, _peers.DATABASE)

    @contextlib.contextmanager
    def elsewhere(self):
        """Somebody else holds the server that was used last, and has it for himself."""
        with self.client() as other, other.transaction():
            other.execute("select 1")
            yield other


def words(act) -> str:
    """What comes of it: "works", or the first line of the error."""
    try:
        return act() or "works"
    except psycopg.Error as error:
        return f"error: {str(error).splitlines()[0]}"


def check(result: pq.abc.PGresult) -> None:
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise psycopg.OperationalError(result.error_message.decode(errors="replace").strip())


def prepared(place: Place, name: bytes) -> str:
    client = place.client().pgconn
    check(client.prepare(name, b"select 42"))
    with place.elsewhere() as other:
        check(other.pgconn.prepare(b"", b"select 'of somebody else'"))

        def act():
            result = client.exec_prepared(name, [])
            check(result)
            return "" if result.get_value(0, 0) == b"42" else "runs another client's statement"
        return words(act)


@probe("named prepared statement")
def named_statement(place: Place) -> str:
    return prepared(place, b"mine")


@probe("unnamed prepared statement, Bind after Sync")
def unnamed_statement(place: Place) -> str:
    return prepared(place, b"")


@probe("SQL PREPARE, EXECUTE")
def sql_prepare(place: Place) -> str:
    client = place.client()
    client.execute("prepare mine as select 42")
    with place.elsewhere():
        return words(lambda: client.execute("execute mine") and "")


@probe("SET of work_mem: the client's own")
def set_follows(place: Place) -> str:
    client = place.client()
    client.execute("set work_mem = '5MB'")
    with place.elsewhere():
        return "works" if client.execute("show work_mem").fetchone() == ("5MB",) else "lost"


@probe("SET of work_mem: the next client's")
def set_leaks(place: Place) -> str:
    place.client().execute("set work_mem = '5MB'")
    with place.elsewhere() as other:
        return "leaks" if other.execute("show work_mem").fetchone() == ("5MB",) else "unharmed"


@probe("temporary table")
def temporary_table(place: Place) -> str:
    client = place.client()
    client.execute("create temp table mine(i int)")
    with place.elsewhere():
        return words(lambda: client.execute("select * from mine") and "")


@probe("session advisory lock, after its client has gone")
def advisory_lock(place: Place) -> str:
    with place.client() as client:
        client.execute("select pg_advisory_lock(77)")
    with contextlib.suppress(Failed):
        process.wait_until(lambda: held(place) == "0", NOTIFIED_SECONDS_MAX, "the lock's end")
    try:
        return "released" if held(place) == "0" else "stays held"
    finally:
        place.direct("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")


def held(place: Place) -> str:
    return place.direct("select count(*) from pg_locks where locktype = 'advisory'")


@probe("parameter that a trigger sets")
def set_by_trigger(place: Place) -> str:
    place.direct("drop table if exists audited; create table audited(i int);"
                 "create or replace function set_actor() returns trigger language plpgsql as $$ begin "
                 "perform set_config('app.actor', 'me', false); return new; end $$;"
                 "create trigger actor before insert on audited for each row "
                 "execute function set_actor()")
    client = place.client()
    client.execute("insert into audited values (1)")
    actor = "select current_setting('app.actor', true)"
    with place.elsewhere() as other:
        if other.execute(actor).fetchone() == ("me",):
            return "the next client has it"
        return "works" if client.execute(actor).fetchone() == ("me",) else "lost"


@probe("LISTEN, NOTIFY")
def listen(place: Place) -> str:
    client = place.client()
    client.execute("listen news")
    place.direct("notify news")
    heard = []
    client.add_notify_handler(heard.append)

    def asked() -> bool:
        client.execute("select 1")
        return bool(heard)
    with contextlib.suppress(Failed):
        process.wait_until(asked, NOTIFIED_SECONDS_MAX, "a notification")
    return "works" if heard else "not heard"


@probe("cursor WITH HOLD")
def held_cursor(place: Place) -> str:
    client = place.client()
    with client.transaction():
        client.execute("declare mine cursor with hold for select 42")
    with place.elsewhere():
        return words(lambda: client.execute("fetch mine") and "")


@probe("prepared statement after ALTER TABLE ADD COLUMN")
def changed_result(place: Place) -> str:
    place.direct("drop table if exists grown; create table grown(i int)")
    client = place.client().pgconn
    check(client.prepare(b"rows", b"select * from grown"))
    check(client.exec_prepared(b"rows", []))
    place.direct("alter table grown add column j int")
    return words(lambda: check(client.exec_prepared(b"rows", [])) or "")


@probe("bigint made double precision, read by a driver that keeps the type")
def changed_type(place: Place) -> str:
    """asyncpg, as others, asks once for the columns of a statement, and reads them in binary."""
    place.direct("drop table if exists typed; create table typed(v bigint);"
                 "insert into typed values (42)")

    async def read() -> str:
        client = await asyncpg.connect(host="127.0.0.1", port=place.peer.port, user=_peers.USER,
                                       database=_peers.DATABASE, ssl=False)
        try:
            await client.fetchval("select v from typed")
            place.direct("alter table typed alter v type double precision")
            with place.elsewhere():
                value = await client.fetchval("select v from typed")
            return "works" if value == 42 else f"42 is read as {value}"
        finally:
            await client.close()
    return asyncio.run(read())


def measure(world, name: str) -> dict:
    found = {}
    for title, run in PROBES.items():
        peer = _peers.ALL[name](world, False)
        if reason := peer.available():
            raise Failed(f"{name}: {reason}")
        peer.start()  # afresh: no probe meets what another has left
        try:
            with contextlib.ExitStack() as stack:
                found[title] = run(Place(peer, world, stack))
        finally:
            peer.stop()
    return found


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench behaviour", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pgbouncer", default="/usr/sbin/pgbouncer", metavar="PATH")
    parser.add_argument("--out", type=Path, default=BUILD / "bench-behaviour.json", metavar="FILE")
    options = parser.parse_args(arguments)
    options.pool_size, options.howdah_set = 2, {}
    return options


def main(arguments) -> int:
    options = parse(arguments)
    with World(options) as world:
        results = {name: measure(world, name) for name in POOLERS}
    versions = {"pgbouncer": process.run([options.pgbouncer, "--version"]).split("\n")[0]}
    for title in PROBES:
        say(f"\n{title}")
        for name in POOLERS:
            say(f"  {name:16} {results[name][title]}")
    options.out.write_text(json.dumps({"schema": "howdah.bench.behaviour/1", "versions": versions,
                                       "results": results}, indent=1) + "\n")
    say(f"\n{versions['pgbouncer']}; results: {options.out}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        warn(f"bench behaviour: {failure}")
        sys.exit(3)
