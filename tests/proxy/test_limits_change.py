"""A limit that changes holds for those who are there already."""

import psycopg
import pytest

from tests.proxy import wire_client as wire
from tests.proxy.test_isolation import rows
from tests.proxy.wire_client import query


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, start_howdah):
    return start_howdah(f"limits-{request.param}", backend=request.param, loops="2",
                        pool_mode="transaction", default_pool_size="1")


@pytest.fixture(scope="module")
def database(pooler, new_database):
    return new_database(f"limits_{pooler.port}")


@pytest.fixture
def console(pooler):
    with psycopg.connect(pooler.uri("pgbouncer"), autocommit=True,
                         prepare_threshold=None) as connection:
        yield connection


def busy(client):
    client.ask(query("begin"))
    client.send(query("select pg_sleep(30)"))


DEFAULTS = {"query_wait_timeout": 120}
CASES = {
    "client_idle_timeout": ("idle", "client_idle_timeout"),
    "idle_transaction_timeout": ("in a transaction", "idle transaction timeout"),
    "transaction_timeout": ("in a transaction", "transaction timeout"),
    "query_timeout": ("busy", "query timeout"),
    "query_wait_timeout": ("waiting", "query_wait_timeout"),
}


@pytest.mark.parametrize("option", CASES)
def test_a_lower_limit_reaches_who_is_there(pooler, database, open_client, console, option):
    state, message = CASES[option]
    client, other = open_client(), open_client()
    if state == "in a transaction":
        client.ask(query("begin"))
    elif state == "busy":
        busy(client)
    elif state == "waiting":
        other.ask(query("begin"))
        client.send(query("select 1"))
    else:
        client.ask(query("select 1"))
    console.execute(f"SET {option} = 1")
    try:
        last = client.until_end()
    finally:
        console.execute(f"SET {option} = {DEFAULTS.get(option, 0)}")
    assert [wire.fields(m)["M"] for m in last if m.type == "E"] == [message]
    if state == "waiting":
        other.ask(query("rollback"))
    assert rows(open_client().ask(query("select 1"))) == ["1"]
