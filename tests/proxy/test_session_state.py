"""Transaction mode as on one connection: state follows the client, or pins it, and never leaks.

Each test makes its client change servers: two others hold transactions on the servers that it had.
"""

import contextlib
import threading

import psycopg
import pytest

from tests.conftest import USER

VARIANTS = {
    "one-loop": {"backend": "io_uring"},
    "epoll": {"backend": "epoll"},
    "two-loops": {"loops": "2"},
}


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pooler(request, start_howdah):
    return start_howdah(f"state-{request.param}", pool_mode="transaction", default_pool_size="5",
                        track_extra_parameters="IntervalStyle, statement_timeout",
                        **VARIANTS[request.param])


@pytest.fixture(scope="module")
def uri(pooler, new_database):
    return pooler.uri(new_database(f"state_{pooler.port}"))


def value(connection, query, parameters=None):
    return connection.execute(query, parameters).fetchone()[0]


def server_of(connection):
    return value(connection, "select pg_backend_pid()")


@contextlib.contextmanager
def elsewhere(connect, connection, others=2):
    """Holds servers with other clients, so that `connection` gets another one than before."""
    held = []
    for _ in range(others):
        other = connect()
        other.execute("begin")
        other.execute("select 1")
        held.append(other)
    yield held
    for other in held:
        other.execute("rollback")


def test_parameters_follow_and_do_not_leak(connect):
    client = connect()
    client.execute("set search_path = 'x y', public")
    client.execute("select set_config('statement_timeout', '7s', false)")
    client.execute("set my.var = 'it''s'")
    servers = set()
    for others in (1, 2, 3):
        with elsewhere(connect, client, others) as held:
            servers.add(server_of(client))
            assert value(client, "show search_path") == '"x y", public'
            assert value(client, "show statement_timeout") == "7s"
            assert value(client, "show my.var") == "it's"
            assert value(held[0], "show statement_timeout") == "0"
            assert value(held[0], "select current_setting('my.var', true)") in (None, "")
    assert len(servers) > 1, "the client never changed its server: nothing was tested"


def test_rolled_back_and_local_values_are_gone(connect):
    client = connect()
    for statement in ("begin", "set work_mem = '5MB'", "rollback"):
        client.execute(statement)
    assert value(client, "show work_mem") == "4MB"
    for statement in ("begin", "set local work_mem = '6MB'", "commit"):
        client.execute(statement)
    assert value(client, "show work_mem") == "4MB"
    for statement in ("begin", "set work_mem = '5MB'", "savepoint a", "set work_mem = '9MB'",
                      "rollback to a", "commit"):
        client.execute(statement)
    with elsewhere(connect, client):
        assert value(client, "show work_mem") == "5MB"
    client.execute("reset work_mem")
    with elsewhere(connect, client):
        assert value(client, "show work_mem") == "4MB"


def test_discard_all_brings_back_the_connection_string(connect, uri):
    client = connect(options="-c statement_timeout=9s", application_name="mine")
    client.execute("set statement_timeout = '1s'")
    client.execute("discard all")
    with elsewhere(connect, client):
        assert value(client, "show statement_timeout") == "9s"
        assert value(client, "show application_name") == "mine"


def test_a_wrong_parameter_of_the_connection_string_is_refused(uri):
    with pytest.raises(psycopg.OperationalError, match="no_such_parameter"):
        psycopg.connect(uri, options="-c no_such_parameter=1")


def test_a_server_that_cannot_take_a_setting_is_replaced(connect):
    """temp_buffers cannot be changed where a temporary table was ever touched."""
    client, others = connect(), [connect() for _ in range(4)]
    client.execute("set temp_buffers = '2MB'")
    for other in others:
        other.execute("begin")
        other.execute("create temp table scratch (x int)")
    for other in others:
        other.execute("rollback")
    for _ in range(6):
        with elsewhere(connect, client, 4):
            assert value(client, "show temp_buffers") == "2MB"


def again_and_again(client, statement):
    """For a client whose statement_timeout may end it."""
    for _ in range(200):
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            return client.execute(statement)
    raise AssertionError(f"{statement}: always cancelled")


def test_an_impatient_client_pins_nothing_and_is_nobodys_trouble(connect):
    """Its statement_timeout is in force for what the proxy asks its server, too."""
    client = connect()
    client.execute("set statement_timeout = '1ms'")
    for _ in range(5):
        again_and_again(client, "set work_mem = '5MB'")
    servers = set()
    for others in (1, 2, 3):
        with elsewhere(connect, client, others) as held:
            servers.add(again_and_again(client, "select pg_backend_pid()").fetchone())
            assert again_and_again(client, "show statement_timeout").fetchone() == ("1ms",)
            assert value(held[0], "show statement_timeout") == "0"
    assert len(servers) > 1, "the client never changed its server: it was pinned"


def test_role_follows(connect):
    client = connect()
    client.execute("do $$ begin if not exists (select from pg_roles where rolname = 'app') then "
                   "raise exception 'the test needs its user'; end if; end $$")
    client.execute("set role app")
    with elsewhere(connect, client) as held:
        assert value(client, "select current_setting('role')") == "app"
        assert value(held[0], "select current_setting('role')") == "none"
    client.execute("reset role")
    assert value(client, "select current_setting('role')") == "none"


def test_sql_prepare_follows(connect):
    client = connect()
    client.execute("prepare plus as select $1::int + 1")
    for others in (1, 2, 3):
        with elsewhere(connect, client, others) as held:
            assert value(client, f"execute plus({others})") == others + 1
            with pytest.raises(psycopg.errors.InvalidSqlStatementName, match='"plus"'):
                held[0].execute("execute plus(1)")
            held[0].execute("rollback")
            held[0].execute("begin")
    with pytest.raises(psycopg.errors.DuplicatePreparedStatement, match='"plus"'):
        client.execute("prepare plus as select 2")
    client.execute("deallocate plus")
    with pytest.raises(psycopg.errors.InvalidSqlStatementName, match='"plus"'):
        client.execute("execute plus(1)")


def test_protocol_prepare_follows(connect):
    client = connect(prepare_threshold=0)
    for number in range(8):
        with elsewhere(connect, client, 1 + number % 3):
            assert value(client, "select %s::int + 1", (number,)) == number + 1


def test_temporary_table_pins_and_drop_unpins(connect):
    client = connect()
    client.execute("create temp table mine(i int)")
    home = server_of(client)
    with elsewhere(connect, client, 3):
        assert server_of(client) == home
        client.execute("insert into mine values (1)")
    client.execute("drop table mine")
    assert server_of(client) > 0


def test_temporary_table_of_one_who_left_is_gone(connect, uri):
    with psycopg.connect(uri, autocommit=True) as leaver:
        leaver.execute("create temp table left_behind(i int)")
    for others in range(5):
        client = connect()
        with elsewhere(connect, client, others):
            assert value(client, "select to_regclass('pg_temp.left_behind')") is None


def test_advisory_lock_pins(connect):
    client = connect()
    client.execute("select pg_advisory_lock(4711)")
    home = server_of(client)
    with elsewhere(connect, client, 3) as held:
        assert server_of(client) == home
        assert value(held[0], "select pg_try_advisory_xact_lock(4711)") is False
    assert value(client, "select pg_advisory_unlock(4711)") is True


def test_listen_and_notify(connect):
    listener, sender = connect(), connect()
    listener.execute("listen news")
    sender.execute("notify news, 'hello'")
    notification = next(listener.notifies())
    assert (notification.channel, notification.payload) == ("news", "hello")


def test_unknown_code_cannot_leak_a_parameter(connect):
    client = connect()
    client.execute("create or replace function sly() returns void language plpgsql as "
                   "$$ begin perform set_config('sly.secret', 'mine', false); end $$")
    client.execute("select sly()")
    for others in range(4):
        other = connect()
        with elsewhere(connect, other, others):
            assert value(other, "select current_setting('sly.secret', true)") in (None, "")


def test_stale_plan_is_prepared_anew(connect, uri, cluster):
    client, database = connect(prepare_threshold=0), uri.rsplit("/", 1)[1]

    def ddl(statement):  # not through the proxy, whose servers would come back in another order
        cluster.primary.sql(statement, database)
    ddl("create table plan_test(i int); insert into plan_test values (1); "
        f"grant all on plan_test to {USER}")
    query = "select * from plan_test where i = %s"
    for _ in range(3):
        assert client.execute(query, (1,)).fetchall() == [(1,)]
    ddl("alter table plan_test add j text default 'new'")
    for _ in range(3):
        assert client.execute(query, (1,)).fetchall() == [(1, "new")]
    ddl("alter table plan_test drop j")
    client.execute("begin")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        client.execute(query, (1,))
    client.execute("rollback")
    assert client.execute(query, (1,)).fetchall() == [(1,)]
    ddl("drop table plan_test")


def test_cancel_reaches_its_own_query_only(connect):
    client, bystander = connect(), connect()
    bystander.execute("begin")
    threading.Timer(0.2, client.cancel).start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        client.execute("select pg_sleep(30)")
    assert value(client, "select 5") == 5
    assert value(bystander, "select 6") == 6
    bystander.execute("rollback")


def test_client_that_leaves_in_a_transaction_is_rolled_back(connect, uri):
    watcher = connect()
    watcher.execute("create table if not exists left_open(i int)")
    leaver = psycopg.connect(uri)
    leaver.execute("insert into left_open values (1)")
    leaver.close()
    for others in range(4):
        with elsewhere(connect, watcher, others):
            assert value(watcher, "select count(*) from left_open") == 0
    watcher.execute("drop table left_open")


def test_copy_both_ways_and_a_failing_one(connect):
    client = connect()
    client.execute("create table if not exists copied(i int)")
    client.execute("truncate copied")
    with client.cursor().copy("copy copied from stdin") as copy:
        for number in range(50_000):
            copy.write(f"{number}\n")
    assert value(client, "select count(*) from copied") == 50_000
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        with client.cursor().copy("copy copied from stdin") as copy:
            for number in range(20_000):
                copy.write(f"x{number}\n")
    with client.cursor().copy("copy (select generate_series(1, 10000)) to stdout") as copy:
        assert sum(len(bytes(part)) for part in copy) == 48_894
    client.execute("drop table copied")


def test_large_values_and_pipelines(connect):
    client = connect(prepare_threshold=0)
    assert len(value(client, "select repeat('x', 20000000)")) == 20_000_000
    with client.pipeline():
        cursors = [client.execute("select %s::int", (number,)) for number in range(100)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))
    with pytest.raises(psycopg.errors.DivisionByZero):
        with client.pipeline():
            client.execute("select 1")
            client.execute("select 1/0")
            client.execute("select 2")
    assert value(client, "select 3") == 3
