"""RESET goes back to what the connection string said, as on one connection."""

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy.test_isolation import rows
from tests.proxy.wire_client import SYNC, bind, execute, message, parse, query


@pytest.fixture(scope="module", params=["io_uring", "epoll", "session"])
def pooler(request, start_howdah):
    session = request.param == "session"
    return start_howdah(f"resets-{request.param}", default_pool_size="2",
                        backend="io_uring" if session else request.param,
                        pool_mode="session" if session else "transaction")


@pytest.fixture(scope="module")
def database(pooler, new_database, cluster):
    name = new_database(f"reset_{pooler.port}")
    with psycopg.connect(cluster.primary.uri(USER, PASSWORD, name), autocommit=True) as direct:
        direct.execute("create schema tenant; create table tenant.orders(i int); "
                       "create table public.orders(i int)")
    return name


def extended(*texts):
    messages = []
    for one in texts:
        messages += [parse("", one), bind("", ""), execute()]
    return [*messages, SYNC]


INSERT = "insert into orders values (1)"
AWAY = ["reset search_path", "set search_path to default", "reset all", "set local search_path to "
        "default", "discard all", "set search_path = default"]


def said(client, messages):
    """What the client sees, numbers apart."""
    ready = sum(one[:1] in (b"Q", b"S") for one in messages)
    return [(m.type, m.body) for m in client.ask(*messages, ready=ready)]


@pytest.mark.parametrize("how", ["simple", "simple pipeline", "extended", "extended pipeline"])
@pytest.mark.parametrize("where, away", [
    (where, away) for where in ("alone", "in a transaction") for away in AWAY
    if (where, away) != ("in a transaction", "discard all")])  # PostgreSQL refuses it there
def test_rows_go_where_they_go_directly(open_client, uris, away, where, how):
    answers, schemas = [], []
    for server in ("direct", "howdah"):
        client = open_client(server, options="-c search_path=tenant -c app.tenant=seven")
        texts = ["set search_path = public", "set app.tenant = 'eight'", away, INSERT]
        if where == "in a transaction":
            texts = ["begin", *texts, "commit"]
        seen = []
        if how == "simple pipeline":
            seen = said(client, [query(one) for one in texts])
        elif how == "extended pipeline" and away != "discard all":
            seen = said(client, extended(*texts))
        else:
            for one in texts:
                seen += said(client, [query(one)] if how == "simple" else extended(one))
        # After the transaction as well, and with the next server.
        seen += said(client, [query("show search_path")])
        seen += said(client, [query("select current_setting('app.tenant')")])
        answers.append(seen)
        schemas.append(rows(client.ask(query("select tableoid::regclass::text from public.orders "
                                             "union all select tableoid::regclass::text from "
                                             "tenant.orders"))))
        client.ask(query("truncate tenant.orders, public.orders"))
    assert answers[0] == answers[1]
    assert schemas[0] == schemas[1]


# What asyncpg says when a connection goes back to its pool, and the like.
POOLS_SAY = ["select pg_advisory_unlock_all();\nclose all;\nunlisten *;\nreset all;",
             "close all; set search_path to default; select 1", "reset all; select 1/0",
             "set search_path = public; commit; reset search_path; begin",
             "begin; reset search_path; reset app.tenant; commit",
             "prepare q as select 1; reset all; execute q; deallocate q"]


@pytest.mark.parametrize("away", POOLS_SAY)
@pytest.mark.parametrize("pipelined", [False, True])
def test_the_reset_stands_among_other_statements(open_client, uris, away, pipelined):
    answers = []
    for server in ("direct", "howdah"):
        client = open_client(server, options="-c search_path=tenant -c app.tenant=seven")
        texts = ["set search_path = public", "set app.tenant = 'eight'", away, INSERT, "commit",
                 "show search_path", "select current_setting('app.tenant')",
                 "select 't', count(*) from tenant.orders", "select 'p', count(*) from public.orders",
                 "truncate tenant.orders, public.orders"]
        if pipelined:
            seen = said(client, [query(one) for one in texts])
        else:
            seen = [one for text in texts for one in said(client, [query(text)])]
        answers.append(seen)
    assert answers[0] == answers[1]


def test_a_reset_does_not_stand_in_the_way_of_a_copy(open_client, uris):
    answers = []
    for server in ("direct", "howdah"):
        client = open_client(server, options="-c search_path=tenant -c app.tenant=seven")
        client.send(query("set app.tenant = 'eight'; set app.tenant to default; "
                          "copy tenant.orders from stdin"))
        seen = client.until("G")
        client.send(message("d", b"5\n6\n"), message("c", b""))
        seen += client.until("Z")
        seen += client.ask(query("select count(*) from orders"))
        seen += client.ask(query("truncate tenant.orders"))
        answers.append([(m.type, m.body) for m in seen])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("away", ["reset client_encoding", "reset all", "discard all",
                                  "set client_encoding to default"])
def test_an_encoding_that_comes_back_is_not_told_as_gone(open_client, away):
    seen = []
    for server in ("direct", "howdah"):
        client = open_client(server, client_encoding="LATIN1", DateStyle="German, DMY")
        client.send(query("set client_encoding = 'utf8'"), query("set datestyle = 'iso'"),
                    query(away))
        answer = client.until("Z", 3)
        told = [tuple(m.body.split(b"\0")[:2]) for m in answer if m.type == "S"]
        length = client.ask(query("select length(convert_to('x', 'utf8')), current_setting("
                                  "'client_encoding'), current_setting('datestyle')"))
        seen.append((sorted(told), rows(length)))
    assert seen[0] == seen[1]


def test_a_wrong_reset_is_an_error_and_the_session_goes_on(open_client):
    client = open_client(options="-c search_path=tenant")
    answer = client.ask(query("reset nosuch.thing.at.all"), query("select 1"), ready=2)
    direct = open_client("direct", options="-c search_path=tenant")
    expected = direct.ask(query("reset nosuch.thing.at.all"), query("select 1"), ready=2)
    assert [m.type for m in answer] == [m.type for m in expected]
    client.ask(query("begin"))
    answer = client.ask(query("select 1/0"), query("reset search_path"), query("rollback"), ready=3)
    assert [m.body for m in answer if m.type == "Z"] == [b"E", b"E", b"I"]
    assert rows(client.ask(query("show search_path"))) == ["tenant"]
