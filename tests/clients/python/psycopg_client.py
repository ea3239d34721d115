"""The scenarios with psycopg 3 (libpq, extended protocol)."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import psycopg
from common import URI, chosen, emit, plain
from psycopg import conninfo
from psycopg.types.json import Json, Jsonb
from texts import ALL_TYPES, APPLICATION, MANY_ROWS, UNICODE

scenarios = {}


def scenario(function):
    scenarios[function.__name__] = function
    return function


def connect(**more):
    return psycopg.connect(URI, autocommit=True, **more)


def rows(connection, text, values=None, **more):
    return plain(connection.execute(text, values, **more).fetchall())


def failure(action):
    """The error's fields, as far as they cannot differ between two runs."""
    try:
        action()
    except psycopg.Error as error:
        d = error.diag
        return {"class": type(error).__name__, "state": error.sqlstate,
                "severity": d.severity_nonlocalized, "message": d.message_primary,
                "detail": d.message_detail, "hint": d.message_hint, "table": d.table_name,
                "constraint": d.constraint_name, "position": d.statement_position,
                "routine": d.source_function}
    return "no error"


@scenario
def types():
    with connect() as c:
        return [rows(c, ALL_TYPES), plain(c.cursor(binary=True).execute(ALL_TYPES).fetchall())]


@scenario
def nulls():
    with connect() as c:
        return rows(c, "select %s::int, %s::text, %s::timestamptz, %s::int[], null, %s::int is null",
                    [None] * 5)


@scenario
def arrays():
    with connect() as c:
        return rows(c, "select %s::int[], %s::text[], %s::int[], %s::text[]",
                    [[1, None, 3], ['a,b', 'c"d', "e\\f", None, "", "NULL"], [[1, 2], [3, 4]], []])


@scenario
def json():
    value = {"a": [1, 2.5, None, True], "q": "quote \" back \\ tab \t", "nested": {"b": []}}
    with connect() as c:
        return rows(c, "select %s::json, %s::jsonb, %s::jsonb->'nested'",
                    [Json(value), Jsonb(value), Jsonb(value)])


@scenario
def bytea():
    every, long = bytes(range(256)), bytes(i * 7 % 256 for i in range(100_000))
    with connect() as c:
        one = c.execute("select %b::bytea, md5(%b::bytea), length(%b::bytea)",
                        [every, long, long]).fetchone()
        back = c.execute("select %b::bytea", [long]).fetchone()[0]
        return [plain(one), back == long]


@scenario
def large_object():
    with connect() as c, c.transaction():
        oid = c.execute("select lo_create(0)").fetchone()[0]
        fd = c.execute("select lo_open(%s, 393216)", [oid]).fetchone()[0]
        written = rows(c, "select lowrite(%s, %s)", [fd, b"x" * 50000])
        moved = rows(c, "select lo_lseek(%s, 49990, 0)", [fd])
        read = rows(c, "select loread(%s, 100)", [fd])
        return [written, moved, read, rows(c, "select lo_close(%s), lo_unlink(%s)", [fd, oid])]


@scenario
def big_result():
    with connect() as c:
        numbers = [r[0] for r in c.execute(MANY_ROWS)]
        return [len(numbers), sum(numbers), numbers == sorted(numbers)]


@scenario
def wide_value():
    text = "howdah! " * 524288
    with connect() as c:
        back, digest = c.execute("select %s::text, md5(%s::text)", [text, text]).fetchone()
        return [back == text, digest]


@scenario
def cursor():
    out = []
    with connect() as c, c.transaction():
        with c.cursor(name="portions") as portal:
            portal.execute("select n from generate_series(1, 1000) n")
            out = [plain(portal.fetchmany(300)) for _ in range(4)]
            portal.scroll(10, mode="absolute")
            out.append(plain(portal.fetchone()))
    return [len(out), [len(o) for o in out], out[-1], out[1][0]]


@scenario
def hold_cursor():
    with connect() as c:
        c.execute("begin")
        c.execute("declare held cursor with hold for select n from generate_series(1, 9) n")
        c.execute("commit")
        out = [rows(c, "fetch 3 from held"), rows(c, "fetch 3 from held")]
        c.execute("close held")
        return [*out, failure(lambda: c.execute("fetch 1 from held"))]


@scenario
def prepared():
    with connect() as c:
        out = []
        for i in range(12):
            out += rows(c, "select %s::int * 2", [i], prepare=True)
            out += rows(c, "select upper(%s)", [f"v{i}"], prepare=True)
        return out


@scenario
def many_prepared():
    with connect() as c:
        c.prepared_max = 1000
        return [rows(c, f"select %s::int + {i}", [turn], prepare=True)
                for turn in range(2) for i in range(60)]


@scenario
def prepared_sql():
    with connect() as c:
        c.execute("prepare twice (int) as select $1 * 2")
        out = [rows(c, f"execute twice({i})") for i in range(5)]
        out.append(failure(lambda: c.execute("prepare twice as select 1")))
        c.execute("deallocate twice")
        return [*out, failure(lambda: c.execute("execute twice(1)"))]


@scenario
def pipeline():
    with connect() as c:
        c.execute("create table pipeline_rows (n int primary key)")
        with c.pipeline():
            cursors = [c.execute("insert into pipeline_rows values (%s) returning n * 10", [i])
                       for i in range(200)]
            cursors.append(c.execute("select count(*), sum(n) from pipeline_rows"))
        return [plain(cursors[7].fetchall()), plain(cursors[-1].fetchall())]


@scenario
def pipeline_error():
    with connect() as c:
        c.execute("create table pipeline_error_rows (n int primary key)")

        def send():
            with c.pipeline() as p:
                c.execute("insert into pipeline_error_rows values (1)")
                p.sync()
                c.execute("insert into pipeline_error_rows values (2)")
                c.execute("insert into pipeline_error_rows values (1)")
                c.execute("insert into pipeline_error_rows values (3)")
                p.sync()
                c.execute("insert into pipeline_error_rows values (4)")
        return [failure(send), rows(c, "select n from pipeline_error_rows order by n")]


@scenario
def copy_out():
    with connect() as c, c.cursor() as cursor_:
        with cursor_.copy("copy (select n, 'row ' || n from generate_series(1, 20000) n) "
                          "to stdout") as copy:
            data = b"".join(copy)
        with cursor_.copy("copy (select n, now() is null from generate_series(1, 100) n) "
                          "to stdout (format binary)") as copy:
            binary = b"".join(copy)
        return [len(data), plain(data[:40]), plain(binary), cursor_.rowcount]


@scenario
def copy_in():
    with connect() as c, c.cursor() as cursor_:
        c.execute("create table copied (n int, t text)")
        with cursor_.copy("copy copied from stdin") as copy:
            for i in range(20000):
                copy.write_row((i, f"row {i}" if i % 7 else None))
        return [cursor_.rowcount, rows(c, "select count(*), count(t), sum(n) from copied")]


@scenario
def copy_in_error():
    with connect() as c, c.cursor() as cursor_:
        c.execute("create table copied_badly (n int)")

        def send():
            with cursor_.copy("copy copied_badly from stdin") as copy:
                for i in range(5000):
                    copy.write(f"{i if i != 3000 else 'no number'}\n")
        return [failure(send), rows(c, "select count(*) from copied_badly")]


@scenario
def copy_in_abandoned():
    with connect() as c, c.cursor() as cursor_:
        c.execute("create table copied_partly (n int)")

        def send():
            with cursor_.copy("copy copied_partly from stdin") as copy:
                copy.write("1\n2\n")
                raise KeyError("changed my mind")
        return [failure(send), c.info.transaction_status.name,
                rows(c, "select count(*) from copied_partly")]


@scenario
def errors():
    with connect() as c:
        c.execute("create table strict (n int primary key check (n > 0), t text not null)")
        c.execute("insert into strict values (1, 'a')")
        return [failure(lambda t=t, v=v: c.execute(t, v)) for t, v in (
            ("selekt 1", None), ("select * from no_such_table", None),
            ("select no_such_column from strict", None), ("select no_such_function(1)", None),
            ("select %s::int", ["no number"]), ("select 1 / %s", [0]),
            ("insert into strict values (%s, 'b')", [1]),
            ("insert into strict values (%s, 'b')", [-1]),
            ("insert into strict values (%s, null)", [2]),
            ("select pg_read_file('/no/such')", None), ("select 'x'::date", None),
            ("do $$ begin raise exception 'own' using errcode = 'HW001', hint = 'try', "
             "detail = 'because'; end $$", None))] + [rows(c, "select count(*) from strict")]


@scenario
def error_after_rows():
    with connect() as c:
        return [failure(lambda: c.execute("select 100 / (500 - n) from generate_series(1, 1000) n")),
                rows(c, "select 1")]


@scenario
def transaction():
    with connect() as c:
        c.execute("create table tx (n int)")
        with c.transaction():
            c.execute("insert into tx values (1)")
        try:
            with c.transaction():
                c.execute("insert into tx values (2)")
                inside = rows(c, "select count(*) from tx")
                raise KeyError
        except KeyError:
            pass
        return [inside, rows(c, "select n from tx"), c.info.transaction_status.name]


@scenario
def savepoints():
    with connect() as c:
        c.execute("create table sp (n int primary key)")
        with c.transaction():
            c.execute("insert into sp values (1)")
            inner = failure(lambda: duplicate(c))
            with c.transaction():
                c.execute("insert into sp values (2)")
            c.execute("savepoint a")
            c.execute("insert into sp values (3)")
            c.execute("rollback to a")
            c.execute("release a")
        return [inner, rows(c, "select n from sp order by n")]


def duplicate(c):
    with c.transaction():
        c.execute("insert into sp values (1)")


@scenario
def failed_transaction():
    with connect() as c:
        c.execute("begin")
        out = [failure(lambda: c.execute("select 1 / 0")), failure(lambda: c.execute("select 1")),
               c.info.transaction_status.name, c.execute("commit").statusmessage]
        return [*out, rows(c, "select 1"), c.info.transaction_status.name]


@scenario
def isolation():
    out = []
    with connect() as c:
        for level in ("read committed", "repeatable read", "serializable"):
            c.execute(f"begin isolation level {level}, read only, deferrable")
            out.append(rows(c, "select current_setting('transaction_isolation'), "
                               "current_setting('transaction_read_only'), "
                               "current_setting('transaction_deferrable')"))
            out.append(failure(lambda: c.execute("create table no (n int)")))
            c.execute("rollback")
        return [*out, rows(c, "show transaction_isolation")]


@scenario
def two_phase():
    with connect() as c:
        c.execute("create table prepared_rows (n int)")
        name = c.info.dbname
        for n, how in ((1, "commit"), (2, "rollback")):
            c.execute("begin")
            c.execute("insert into prepared_rows values (%s)", [n])
            c.execute(f"prepare transaction '{name}'")
            c.execute(f"{how} prepared '{name}'")
        return [rows(c, "select n from prepared_rows"),
                failure(lambda: c.execute("commit prepared 'none'"))]


@scenario
def notify():
    got = []
    with connect() as c, connect() as other:
        c.add_notify_handler(lambda n: got.append([n.channel, n.payload]))
        c.execute("listen letters")
        c.execute("notify letters, 'own'")
        c.execute("select 1")
        other.execute("notify letters, 'from another'")
        other.execute("select pg_notify('letters', 'by function')")
        other.execute("notify elsewhere, 'not for us'")
        for n in c.notifies():
            got.append([n.channel, n.payload])
            if n.payload == "by function":
                break
        c.execute("unlisten *")
        other.execute("notify letters, 'too late'")
        c.execute("select 1")
    return got


@scenario
def cancel():
    with connect() as c:
        timer = threading.Timer(0.3, c.cancel)
        timer.start()
        return [failure(lambda: c.execute("select pg_sleep(30)")), rows(c, "select 1")]


@scenario
def set_show():
    with connect() as c:
        out = [rows(c, "show work_mem")]
        c.execute("set work_mem = '7MB'")
        c.execute("select set_config('app.user', 'ana', false)")
        c.execute("set timezone = 'Asia/Tokyo'")
        out += [rows(c, "show work_mem"), rows(c, "select current_setting('app.user')"),
                rows(c, "select '2025-01-01 00:00+00'::timestamptz::text"),
                c.info.parameter_status("TimeZone")]
        with c.transaction():
            c.execute("set local work_mem = '9MB'")
            out.append(rows(c, "show work_mem"))
        out.append(rows(c, "show work_mem"))
        c.execute("begin")
        c.execute("set work_mem = '11MB'")
        c.execute("rollback")
        out.append(rows(c, "show work_mem"))
        c.execute("reset work_mem")
        out.append(rows(c, "show work_mem"))
        return out + [failure(lambda: c.execute("set work_mem = 'much'"))]


@scenario
def statement_timeout():
    with connect() as c:
        c.execute("set statement_timeout = 100")
        late = failure(lambda: c.execute("select pg_sleep(20)"))
        c.execute("reset statement_timeout")
        return [late, rows(c, "select 1")]


@scenario
def startup_parameters():
    with connect(application_name="start-up", client_encoding="UTF8") as c:
        out = [rows(c, "show application_name")]
    with psycopg.connect(URI, application_name="plain") as c:
        return [*out, rows(c, "show application_name"), rows(c, "show client_encoding"),
                c.info.parameter_status("application_name"),
                c.info.parameter_status("integer_datetimes"),
                c.info.parameter_status("standard_conforming_strings"), c.info.server_version]


@scenario
def startup_options():
    with connect(options="-c work_mem=6MB -c app.thing=a\\ b -c search_path=pg_catalog") as c:
        return [rows(c, "show work_mem"), rows(c, "select current_setting('app.thing')"),
                rows(c, "show search_path")]


@scenario
def unicode():
    with connect() as c:
        name = UNICODE["name"]
        c.execute(f'create table "{name}" ("{name}" text)')
        c.execute(f'insert into "{name}" values (%s)', [UNICODE["value"]])
        cursor_ = c.execute(f'select "{name}", length("{name}") from "{name}"')
        return [cursor_.description[0].name, plain(cursor_.fetchall()),
                failure(lambda: c.execute(f'select "{name}x" from "{name}"'))]


@scenario
def many_parameters():
    values = list(range(5000))
    with connect() as c:
        places = ", ".join(["(%s::bigint)"] * len(values))
        return rows(c, f"select count(*), sum(n), max(n) from (values {places}) v (n)", values)


@scenario
def empty_query():
    with connect() as c:
        return [[c.execute(t).pgresult.status, c.execute(t).statusmessage]
                for t in ("", ";", "-- nothing", "/* nothing */ ;")] + [rows(c, "select 1")]


@scenario
def multi_statements():
    with connect() as c:
        c.execute("create table several (n int primary key)")
        cursor_ = c.execute("insert into several values (1), (2); select n from several; "
                            "update several set n = n + 10; select sum(n) from several")
        out = [cursor_.statusmessage]
        while cursor_.nextset():
            out.append([cursor_.statusmessage,
                        plain(cursor_.fetchall()) if cursor_.description else None])
        bad = failure(lambda: c.execute("insert into several values (99); select 1 / 0; "
                                        "insert into several values (98)"))
        mixed = failure(lambda: c.execute("begin; insert into several values (50); commit; "
                                          "insert into several values (51); select 1 / 0"))
        return [*out, bad, mixed, rows(c, "select n from several order by n")]


@scenario
def discard():
    with connect() as c:
        c.execute("set work_mem = '8MB'")
        c.execute("prepare p as select 1")
        c.execute("create temp table gone (n int)")
        tag = c.execute("discard all").statusmessage
        out = [tag, rows(c, "show work_mem"), failure(lambda: c.execute("execute p")),
               failure(lambda: c.execute("select * from gone"))]
        c.execute("prepare p as select 2")
        out.append(rows(c, "execute p"))
        out.append(c.execute("deallocate all").statusmessage)
        return [*out, failure(lambda: c.execute("execute p")), rows(c, "select 1")]


@scenario
def notices():
    got = []
    with connect() as c:
        c.add_notice_handler(lambda d: got.append([d.severity, d.sqlstate, d.message_primary,
                                                   d.message_detail]))
        c.execute("set client_min_messages = debug1")
        c.execute("do $$ begin raise debug 'd'; raise info 'i'; raise notice 'n' using "
                  "detail = 'more'; raise warning 'w'; end $$")
        c.execute("set client_min_messages = notice")
        c.execute("drop table if exists no_such_table")
        return [g for g in got if "StartTransaction" not in g[2] and "CommitTransaction" not in g[2]]


@scenario
def temp_table():
    with connect() as c:
        c.execute("create temp table mine (n int)")
        for i in range(5):
            c.execute("insert into mine values (%s)", [i])
        out = rows(c, "select sum(n) from mine")
        c.execute("drop table mine")
    with connect() as c:
        return [out, failure(lambda: c.execute("select * from mine"))]


@scenario
def advisory_lock():
    ask = "select pg_try_advisory_lock(77)"
    with connect() as c, connect() as other:
        out = [rows(c, "select pg_advisory_lock(77)"), rows(other, ask), rows(c, "select 1"),
               rows(other, ask), rows(c, "select pg_advisory_unlock(77)"), rows(other, ask),
               rows(other, "select pg_advisory_unlock(77), pg_advisory_unlock(77)")]
        return out


@scenario
def describe():
    with connect() as c:
        return [[d.name, d.type_code, d.internal_size, d.precision, d.scale] for d in
                c.execute(ALL_TYPES + " limit 0").description if d.name != "enum_value"]


@scenario
def counts():
    with connect() as c:
        c.execute("create table counted (id int generated always as identity, t text)")
        return [c.execute(t).statusmessage for t in (
            "insert into counted (t) select 'x' from generate_series(1, 7)",
            "update counted set t = 'y' where id <= 3", "delete from counted where id = 1",
            "select * from counted", "create index on counted (t)", "truncate counted")] + [
            rows(c, "insert into counted (t) values ('a'), ('b') returning id, t")]


@scenario
def reconnect():
    out = []
    for i in range(20):
        with connect() as c:
            out += rows(c, "select %s::int", [i])
    return out


@scenario
def concurrent():
    def one(number):
        with connect() as c:
            c.execute("select set_config('app.number', %s, false)", [str(number)])
            seen = {c.execute("select current_setting('app.number')").fetchone()[0]
                    for _ in range(25)}
            return sorted(seen)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(8)))


@scenario
def login_errors():
    parts = conninfo.conninfo_to_dict(URI)

    def attempt(**change):
        try:
            psycopg.connect(**{**parts, **change}).close()
            return "connected"
        except psycopg.OperationalError as error:
            return str(error).strip().split("FATAL:")[-1].strip()
    return [attempt(password="wrong"), attempt(user="nobody-here", password="x"),
            attempt(dbname="no_such_database")]


@scenario
def application():
    with connect() as c:
        return [rows(c, text, values) for text, values in APPLICATION]


def main():
    for name, function in chosen(scenarios).items():
        try:
            emit(name, {"result": function()})
        except Exception:
            emit(name, {"error": traceback.format_exc()})


main()
