"""PREPARE, EXECUTE and DEALLOCATE in SQL, where names come and go in one text."""

import psycopg
import pytest

from tests.conftest import PASSWORD, USER
from tests.proxy.test_isolation import errors, rows
from tests.proxy.wire_client import SYNC, bind, execute, parse, query


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def pooler(request, start_howdah):
    return start_howdah(f"sql-prepare-{request.param}", backend=request.param,
                        pool_mode="transaction", default_pool_size="2",
                        max_prepared_statements="10")


@pytest.fixture(scope="module")
def database(pooler, new_database):
    return new_database(f"sql_prepare_{pooler.port}")


@pytest.mark.parametrize("away", ["deallocate q", "deallocate prepare q", "deallocate all"])
@pytest.mark.parametrize("made_by", ["sql", "protocol"])
def test_a_name_that_a_text_frees_is_free_in_it(open_client, away, made_by):
    client, other = open_client(), open_client()
    if made_by == "sql":
        client.ask(query("prepare q as select 'old'"))
    else:
        client.ask(parse("q", "select 'old'"), SYNC)
    answer = client.ask(query(f"{away}; prepare q as select 'new'; execute q"))
    assert rows(answer) == ["new"], errors(answer)
    for _ in range(2):
        assert rows(client.ask(query("execute q"))) == ["new"]
        # Nobody else's statement of the old text has become the new one.
        answer = other.ask(parse("mine", "select 'old'"), bind("", "mine"), execute(), SYNC)
        assert rows(answer) == ["old"], errors(answer)
        other.ask(query("deallocate mine"))
    client.ask(query("deallocate q"))
    assert errors(client.ask(query("execute q"))) == ["26000"]


def hold_one(open_client):
    """A client in a transaction, on one of the two servers."""
    client = open_client()
    client.ask(query("begin"))
    return client


@pytest.mark.parametrize("where", ["alone", "in a transaction"])
def test_what_a_statement_stands_for_fails_for_its_own_reason(open_client, where):
    client = open_client()
    client.ask(query("create table if not exists gone(i int)"))
    first = hold_one(open_client)
    client.ask(query("prepare g as select * from gone"))
    other = hold_one(open_client)  # where the statement is, most likely; the first's is free again
    first.ask(query("rollback"))
    first.ask(query("drop table gone"))
    if where == "in a transaction":
        client.ask(query("begin"))
    answer = client.ask(query("execute g"))
    assert errors(answer) == ["42P01"]
    status = answer[-1].body
    assert status == (b"E" if where == "in a transaction" else b"I")
    client.ask(query("rollback"))
    # The connection goes on, and so does its pool.
    assert rows(client.ask(query("select 1"))) == ["1"]
    other.ask(query("rollback"))
    client.ask(query("deallocate g"))


def test_sql_statements_count_for_the_limit(open_client, cluster, database):
    for round_ in range(4):
        client = open_client()
        for number in range(20):
            client.ask(query(f"prepare s{number} as select {round_ * 100 + number}"))
        for number in (0, 19):
            assert rows(client.ask(query(f"execute s{number}"))) == [str(round_ * 100 + number)]
        count = rows(client.ask(query("select count(*) from pg_prepared_statements")))
        assert int(count[0]) <= 12
        client.close()


def test_a_cancel_under_way_does_not_find_the_next_query(open_client, pooler, database):
    client = open_client()
    client.ask(query("begin"))
    for _ in range(50):
        client.send(query("select pg_sleep(0.001)"))
        client.cancel()
        answer = client.until("Z")
        if errors(answer):
            assert errors(answer) == ["57014"]
            client.ask(query("rollback"), query("begin"), ready=2)
        # Whatever became of the one before: this one was never cancelled.
        assert rows(client.ask(query("select 'next'"))) == ["next"]
    client.ask(query("rollback"))
