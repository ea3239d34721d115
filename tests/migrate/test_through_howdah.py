"""howdah migrate through howdah itself: in transaction mode the session pins its server, so that
locks, SET and CREATE INDEX CONCURRENTLY are as safe as without a pooler."""

import threading

import psycopg
import pytest

from tools.proxy import Proxy


@pytest.fixture
def pooled(sandbox, start_howdah) -> tuple:
    def start(**settings: str) -> Proxy:
        one = start_howdah(f"{sandbox.name}-{len(settings)}", pool_mode="transaction",
                           default_pool_size="4", **settings)
        sandbox.sql(f"grant create on database {sandbox.name} to public; "
                    "grant all on schema public to public")
        return one
    return sandbox, start


def test_pinned_in_transaction_mode(pooled):
    box, start = pooled
    pooler = start()
    uri = pooler.uri(box.name)
    box.write("migrations/0001_a.sql", "create table a (id int primary key, b int);\n"
              "insert into a select n, n from generate_series(1, 5000) n;\n")
    box.write("migrations/0002_b.sql", "create index concurrently a_b on a (b);\n")
    box.write("migrations/0003_c.sql", "-- howdah:backfill batch=1000 pause_ms=0\n"
              "update a set b = b + 1;\n")
    stop, errors = threading.Event(), []

    def others():
        """Clients that take and give back servers all the time."""
        try:
            with psycopg.connect(uri, autocommit=True) as connection:
                while not stop.is_set():
                    connection.execute("select pg_backend_pid()")
        except psycopg.Error as error:
            errors.append(error)

    busy = [threading.Thread(target=others) for _ in range(4)]
    for one in busy:
        one.start()
    try:
        box.up(uri=uri)
    finally:
        stop.set()
        for one in busy:
            one.join()
    assert errors == []
    assert box.sql("select sum(b) - sum(id) from a") == "5000"
    assert box.sql("select indisvalid from pg_index where indexrelid = 'a_b'::regclass") == "t"
    assert box.sql("select count(*) from pg_locks where locktype = 'advisory'") == "0"


def test_pin_ends_with_reset(pooled):
    box, start = pooled
    uri = start().uri(box.name)
    with psycopg.connect(uri, autocommit=True) as one, psycopg.connect(uri) as other:
        def server():
            return one.execute("select pg_backend_pid()").fetchone()[0]

        def may_change():
            """Whether another client, asking now, gets the server that `one` has just used."""
            mine = server()
            theirs = other.execute("select pg_backend_pid()").fetchone()[0]
            other.rollback()
            return theirs == mine

        one.execute("set howdah.pin = 'on'")
        assert not may_change() and not may_change()
        assert server() == server()
        one.execute("reset howdah.pin")
        assert may_change()


def test_refused_where_it_does_not_pin(pooled):
    box, start = pooled
    box.write("migrations/0001_a.sql", "create table a (id int);\n")
    failed = box.up(uri=start(pin_sessions="0").uri(box.name), status=1)
    assert "is a transaction pooler" in failed.stderr
    assert box.sql("select to_regclass('a')") == ""
