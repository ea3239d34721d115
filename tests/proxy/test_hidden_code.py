"""Code that no text tells of (triggers, views, defaults, policies): what it leaves in a session in
transaction mode follows its client or pins it, and is nobody else's.

Each test has a database of its own, for what one place hides is looked for everywhere in it. The
pool has one server: who comes next gets what the one before left.
"""

import contextlib
import itertools

import psycopg
import pytest

from tests.conftest import USER
from tools import process

MARK = "perform set_config('app.mark', 'left', false)"
FUNCTION = f"""
    create schema app authorization {USER};
    create table app.things (id int, name text);
    create function app.mark() returns int language plpgsql as $$ begin {MARK}; return 1; end $$;
    create function app.mark_row() returns trigger language plpgsql as
        $$ begin {MARK}; return coalesce(new, old); end $$;
    create function app.mark_ddl() returns event_trigger language plpgsql as $$ begin {MARK}; end $$;
    create function app.calls() returns int language sql as 'select app.mark()';
    grant all on all tables in schema app to {USER};
"""
# What is there, and what then runs it without naming it.
PLACES = {
    "trigger": ("create trigger t before insert on app.things for each row "
                "execute function app.mark_row()", "insert into app.things values (1)"),
    "deferred trigger": ("create constraint trigger t after insert on app.things deferrable "
                         "initially deferred for each row execute function app.mark_row()",
                         "insert into app.things values (1)"),
    "trigger by cascade": ("create table app.parents (id int primary key); insert into app.parents "
                           "values (1); alter table app.things add foreign key (id) references "
                           "app.parents on delete cascade; insert into app.things values (1); "
                           "create trigger t before delete on app.things for each row execute "
                           f"function app.mark_row(); grant all on app.parents to {USER}",
                           "delete from app.parents"),
    "trigger at COPY": ("create trigger t before insert on app.things for each row "
                        "execute function app.mark_row()", "copy"),
    "default": ("alter table app.things alter id set default app.mark()",
                "insert into app.things (name) values ('x')"),
    "default, a function deeper": ("alter table app.things alter id set default app.calls()",
                                   "insert into app.things (name) values ('x')"),
    "check": ("alter table app.things add check (app.mark() = 1)",
              "insert into app.things values (1)"),
    "index": ("create function app.pure(text) returns text immutable language plpgsql as "
              f"$$ begin {MARK}; return $1; end $$; create index on app.things (app.pure(name))",
              "insert into app.things values (1, 'x')"),
    "rule": ("create rule r as on update to app.things do also select app.mark(); "
             "insert into app.things values (1)", "update app.things set id = 2"),
    "view": (f"create view app.v as select app.mark() as x; grant select on app.v to {USER}",
             "select x from app.v"),
    "policy": ("alter table app.things enable row level security; insert into app.things values (1);"
               "create policy p on app.things using (app.mark() = 1)", "select id from app.things"),
    "domain": (f"create domain app.d as int check (app.mark() = 1)", "select 1::app.d"),
    "operator": ("create function app.op(int, int) returns int language sql as 'select app.mark()'; "
                 "create operator public.@#@ (leftarg = int, rightarg = int, function = app.op)",
                 "select 1 @#@ 2"),
    "a built-in function's name": (
        "create function public.abs(text) returns int language sql as 'select app.mark()'",
        "select abs('x'::text)"),
    "column notation": ("create function app.noted(app.things) returns int language sql as "
                        "'select app.mark()'; insert into app.things values (1)",
                        "set search_path = app, public; select t.noted from app.things t"),
    "event trigger": ("create event trigger e on ddl_command_end execute function app.mark_ddl()",
                      "create table app.more (id int)"),
}
VARIANTS = {"one-loop": {}, "epoll": {"backend": "epoll"}, "two-loops": {"loops": "2"}}
numbers = itertools.count()


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def pooler(request, start_howdah):
    return start_howdah(f"hidden-{request.param}", pool_mode="transaction", default_pool_size="1",
                        verbose="0", **VARIANTS[request.param])


@pytest.fixture
def prepare(cluster, new_database):
    """prepare(sql): a database of its own, with that in it."""
    made = []

    def make(sql):
        name = new_database(f"hidden_{next(numbers)}")
        cluster.primary.sql(FUNCTION + sql, name)
        made.append(name)
        return name
    yield make
    for name in made:  # event triggers would run at whatever comes later
        cluster.primary.sql(f"alter database {name} allow_connections false")


def connect(pooler, database):
    return psycopg.connect(pooler.uri(database), autocommit=True, prepare_threshold=None)


def value(connection, query):
    return connection.execute(query).fetchone()[0]


def act(client, statement):
    if statement == "copy":
        with client.cursor().copy("copy app.things (id) from stdin") as copy:
            copy.write_row((1,))
    else:
        client.execute(statement)


def mark_of(connection):
    return value(connection, "select coalesce(current_setting('app.mark', true), '')")


def counted(pooler, database, column):
    with psycopg.connect(pooler.uri("howdah"), autocommit=True, prepare_threshold=None) as console:
        cursor = console.execute("show stats")
        names = [column.name for column in cursor.description]
        return next(row[names.index(column)] for row in cursor if row[0] == database)


def pins(pooler, client):
    client.execute("select 1")  # answered after any probe
    database = client.info.dbname
    with psycopg.connect(pooler.uri("howdah"), autocommit=True, prepare_threshold=None) as console:
        cursor = console.execute("show clients")
        names = [column.name for column in cursor.description]
        at, of = names.index("pins"), names.index("database")
        return [row[at] for row in cursor if row[of] == database and row[at]]


@pytest.mark.parametrize("place", PLACES)
def test_a_parameter_set_by_hidden_code_is_its_clients_alone(pooler, prepare, place):
    there, statement = PLACES[place]
    database = prepare(there)
    with connect(pooler, database) as client, connect(pooler, database) as other:
        act(client, statement)
        assert mark_of(other) == "", "the next client of the server has it"
        assert mark_of(client) == "left", "it did not follow, or nothing was set at all"
        assert mark_of(other) == ""


@pytest.mark.parametrize("code, reason", [
    ("perform pg_advisory_lock(4711)", "advisory lock"),
    ("execute 'create temp table if not exists notes (x int)'", "temporary object"),
    ("execute 'listen news'", "LISTEN"),
])
def test_what_hidden_code_leaves_on_the_server_pins(pooler, prepare, code, reason):
    database = prepare(f"create function app.leaves() returns trigger language plpgsql as "
                       f"$$ begin {code}; return new; end $$; create trigger t before insert on "
                       "app.things for each row execute function app.leaves()")
    with connect(pooler, database) as client:
        assert pins(pooler, client) == []
        client.execute("insert into app.things values (1)")
        assert pins(pooler, client) == [reason]
    with connect(pooler, database) as other:
        assert value(other, "select count(*) from pg_locks where locktype = 'advisory' "
                            "and database = (select oid from pg_database "
                            "where datname = current_database())") == 0
        assert value(other, "select to_regclass('pg_temp.notes') is null")
        assert value(other, "select count(*) from pg_listening_channels()") == 0


def test_built_in_functions_in_defaults_and_views(pooler, prepare):
    database = prepare("create view app.v as select set_config('work_mem', '7MB', false) as x; "
                       f"grant select on app.v to {USER}")
    with connect(pooler, database) as client, connect(pooler, database) as other:
        client.execute("select x from app.v")
        assert value(other, "show work_mem") == "4MB"
        assert value(client, "show work_mem") == "7MB"


def test_a_trigger_made_by_a_client_is_seen_at_once(pooler, prepare):
    database = prepare(f"alter table app.things owner to {USER}")
    with connect(pooler, database) as client, connect(pooler, database) as other:
        client.execute("insert into app.things values (1)")
        client.execute("create trigger t before insert on app.things for each row "
                       "execute function app.mark_row()")
        client.execute("insert into app.things values (1)")
        assert mark_of(other) == ""
        assert mark_of(client) == "left"


def test_a_trigger_made_elsewhere_is_seen_after_reconnect(cluster, pooler, prepare):
    database = prepare("")
    with connect(pooler, database) as client, connect(pooler, database) as other:
        client.execute("insert into app.things values (1)")
        cluster.primary.sql("create trigger t before insert on app.things for each row "
                            "execute function app.mark_row()", database)
        with psycopg.connect(pooler.uri("howdah"), autocommit=True,
                             prepare_threshold=None) as console:
            console.execute(f"reconnect {database}")
        client.execute("insert into app.things values (1)")
        assert mark_of(other) == ""
        assert mark_of(client) == "left"


HARMLESS = """
    create function app.stamp() returns trigger language plpgsql as $$ begin
        -- set work_mem = '1GB';
        /* listen to nobody */
        perform set_config('app.mark', concat('a', lower('B')), true);
        set local work_mem = '5MB';
        update "things" set name = 'x' where false;
        perform pg_advisory_xact_lock(1);
        new.name := current_setting('app.mark', true); return new; end $$;
    alter function app.stamp() set search_path = app;
    create trigger t before insert on app.things for each row execute function app.stamp();
    create trigger disabled before insert on app.things for each row execute function app.mark_row();
    alter table app.things disable trigger disabled;
"""


def test_harmless_code_costs_nothing(pooler, prepare):
    database = prepare(HARMLESS)
    with connect(pooler, database) as client:
        client.execute("insert into app.things values (1)")
        assert value(client, "select name from app.things") == "ab"
        client.execute("with a as (select 1) select count(*) from app.things, a")
        assert counted(pooler, database, "total_probes") == 0


def test_code_in_writes_costs_readers_nothing(pooler, prepare):
    database = prepare(PLACES["trigger"][0])
    with connect(pooler, database) as client:
        client.execute("select count(*) from app.things")
        assert counted(pooler, database, "total_probes") == 0
        client.execute("insert into app.things values (1)")
        assert counted(pooler, database, "total_probes") == 1


def test_the_log_names_what_was_found(pooler, prepare):
    database = prepare(PLACES["trigger"][0] + "; " + PLACES["view"][0])
    with connect(pooler, database) as client:
        client.execute("select 1")
        for found in ("trigger t on app.things", "on app.v"):
            process.wait_until(lambda found=found: any(
                f'"{database}"' in line and f"{found} may change session state" in line
                for line in pooler.log.read_text().splitlines()), 10, f"{found} in the log")


def test_an_impatient_client_is_not_disturbed(pooler, prepare):
    """Its statement_timeout ends the question, too: another client asks it."""
    database = prepare(PLACES["trigger"][0])
    with connect(pooler, database) as client, connect(pooler, database) as other:
        client.execute("set statement_timeout = '1ms'")
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            client.execute("select 1")
        other.execute("insert into app.things values (1)")
        assert mark_of(other) == "left"
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            assert value(client, "show statement_timeout") == "1ms"
