"""The scenarios with asyncpg (its own protocol code, binary values, named statements)."""

import asyncio
import hashlib
import io
import json as json_text
import traceback

import asyncpg
from common import DEADLINE_SECONDS, URI, chosen, emit, plain
from texts import ALL_TYPES, APPLICATION, MANY_ROWS, UNICODE

scenarios = {}


def scenario(function):
    scenarios[function.__name__] = function
    return function


class Connection:
    """async with Connection() as c: a connection that is closed at the end."""

    def __init__(self, **options):
        self.options = options

    async def __aenter__(self):
        self.connection = await asyncpg.connect(URI, **self.options)
        return self.connection

    async def __aexit__(self, *error):
        await self.connection.close()


async def rows(c, text, *values):
    return [plain(list(r.values())) for r in await c.fetch(text, *values)]


async def failure(awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        return {"class": type(error).__name__, "state": error.sqlstate, "message": error.message,
                "severity": error.severity_en, "detail": error.detail, "hint": error.hint,
                "table": error.table_name, "constraint": error.constraint_name,
                "position": error.position, "routine": error.server_source_function}
    except Exception as error:
        return {"class": type(error).__name__, "message": str(error)}
    return "no error"


@scenario
async def types():
    async with Connection() as c:
        return [await rows(c, ALL_TYPES), await rows(c, ALL_TYPES)]


@scenario
async def nulls():
    async with Connection() as c:
        return await rows(c, "select $1::int, $2::text, $3::timestamptz, $4::int[], null, "
                             "$5::int is null", *[None] * 5)


@scenario
async def arrays():
    async with Connection() as c:
        return await rows(c, "select $1::int[], $2::text[], $3::int[], $4::text[]", [1, None, 3],
                          ['a,b', 'c"d', "e\\f", None, "", "NULL"], [[1, 2], [3, 4]], [])


@scenario
async def json():
    value = json_text.dumps({"a": [1, 2.5, None, True], "q": "quote \" back \\ tab \t"})
    async with Connection() as c:
        return await rows(c, "select $1::json, $2::jsonb, $2::jsonb->'a'", value, value)


@scenario
async def bytea():
    every, long = bytes(range(256)), bytes(i * 7 % 256 for i in range(100_000))
    async with Connection() as c:
        back = await c.fetchval("select $1::bytea", long)
        return [await rows(c, "select $1::bytea, md5($2::bytea)", every, long), back == long]


@scenario
async def big_result():
    async with Connection() as c:
        numbers = [r[0] for r in await c.fetch(MANY_ROWS)]
        return [len(numbers), sum(numbers), numbers == sorted(numbers)]


@scenario
async def wide_value():
    text = "howdah! " * 524288
    async with Connection() as c:
        row = await c.fetchrow("select $1::text, md5($1::text)", text)
        return [row[0] == text, row[1]]


@scenario
async def cursor():
    async with Connection() as c, c.transaction():
        portal = await c.cursor("select n from generate_series(1, 1000) n")
        out = [[r[0] for r in await portal.fetch(300)] for _ in range(4)]
        counted = 0
        async for _ in c.cursor("select n from generate_series(1, 500) n", prefetch=50):
            counted += 1
        return [[len(o) for o in out], out[1][0], counted]


@scenario
async def hold_cursor():
    async with Connection() as c:
        async with c.transaction():
            await c.execute("declare held cursor with hold for select n from "
                            "generate_series(1, 9) n")
        out = [await rows(c, "fetch 3 from held"), await rows(c, "fetch 3 from held")]
        await c.execute("close held")
        return [*out, await failure(c.execute("fetch 1 from held"))]


@scenario
async def prepared():
    async with Connection() as c:
        double = await c.prepare("select $1::int * 2")
        upper = await c.prepare("select upper($1)")
        out = []
        for i in range(12):
            out += [await double.fetchval(i), await upper.fetchval(f"v{i}")]
        async with c.transaction():
            out.append(await double.fetchval(100))
        return out


@scenario
async def many_prepared():
    async with Connection() as c:
        return [await c.fetchval(f"select $1::int + {i}", turn)
                for turn in range(2) for i in range(60)]


@scenario
async def prepared_sql():
    async with Connection() as c:
        await c.execute("prepare twice (int) as select $1 * 2")
        out = [await c.execute(f"execute twice({i})") for i in range(5)]
        out.append(await failure(c.execute("prepare twice as select 1")))
        await c.execute("deallocate twice")
        return [*out, await failure(c.execute("execute twice(1)"))]


@scenario
async def pipeline():
    async with Connection() as c:
        await c.execute("create table pipeline_rows (n int primary key, t text)")
        await c.executemany("insert into pipeline_rows values ($1, $2)",
                            [(i, f"row {i}") for i in range(3000)])
        bad = await failure(c.executemany("insert into pipeline_rows values ($1, 'x')",
                                          [(9000,), (9001,), (1,), (9002,)]))
        return [bad, await rows(c, "select count(*), sum(n), max(t) from pipeline_rows")]


@scenario
async def copy_out():
    text, binary = io.BytesIO(), io.BytesIO()
    async with Connection() as c:
        tag = await c.copy_from_query("select n, 'row ' || n from generate_series(1, 20000) n",
                                      output=text)
        await c.copy_from_query("select n from generate_series(1, 100) n", output=binary,
                                format="binary")
    return [tag, hashlib.md5(text.getvalue()).hexdigest(), plain(binary.getvalue())]


@scenario
async def copy_in():
    async with Connection() as c:
        await c.execute("create table copied (n int, t text)")
        tags = [await c.copy_records_to_table("copied", records=(
            (i, f"row {i}" if i % 7 else None) for i in range(20000)))]
        tags.append(await c.copy_to_table("copied", source=io.BytesIO(b"1\tone\n2\t\\N\n")))
        return [tags, await rows(c, "select count(*), count(t), sum(n) from copied")]


@scenario
async def copy_in_error():
    lines = "".join(f"{i if i != 3000 else 'no number'}\n" for i in range(5000)).encode()
    async with Connection() as c:
        await c.execute("create table copied_badly (n int)")
        return [await failure(c.copy_to_table("copied_badly", source=io.BytesIO(lines))),
                await rows(c, "select count(*) from copied_badly")]


@scenario
async def errors():
    async with Connection() as c:
        await c.execute("create table strict (n int primary key check (n > 0), t text not null)")
        await c.execute("insert into strict values (1, 'a')")
        out = []
        for text, *values in (
                ("selekt 1",), ("select * from no_such_table",), ("select no_such_function(1)",),
                ("select $1::int", "no number"), ("select 1 / $1::int", 0),
                ("insert into strict values ($1, 'b')", 1),
                ("insert into strict values ($1, 'b')", -1),
                ("insert into strict values ($1, null)", 2), ("select $1::text::date", "x")):
            out.append(await failure(c.fetch(text, *values)))
        return [*out, await rows(c, "select count(*) from strict")]


@scenario
async def error_after_rows():
    async with Connection() as c:
        text = "select 100 / (500 - n) from generate_series(1, 1000) n"
        return [await failure(c.fetch(text)), await rows(c, "select 1")]


@scenario
async def transaction():
    async with Connection() as c:
        await c.execute("create table tx (n int)")
        async with c.transaction():
            await c.execute("insert into tx values (1)")
        undone = c.transaction()
        await undone.start()
        await c.execute("insert into tx values (2)")
        inside = await c.fetchval("select count(*) from tx")
        await undone.rollback()
        return [inside, await rows(c, "select n from tx"), c.is_in_transaction()]


@scenario
async def savepoints():
    async with Connection() as c:
        await c.execute("create table sp (n int primary key)")

        async def duplicate():
            async with c.transaction():
                await c.execute("insert into sp values (1)")
        async with c.transaction():
            await c.execute("insert into sp values (1)")
            inner = await failure(duplicate())
            async with c.transaction():
                await c.execute("insert into sp values (2)")
        return [inner, await rows(c, "select n from sp order by n")]


@scenario
async def failed_transaction():
    async with Connection() as c:
        await c.execute("begin")
        out = [await failure(c.execute("select 1 / 0")), await failure(c.execute("select 1")),
               await failure(c.fetch("select 2")), await c.execute("commit")]
        return [*out, await rows(c, "select 1"), c.is_in_transaction()]


@scenario
async def isolation():
    out = []
    async with Connection() as c:
        for level in ("read_committed", "repeatable_read", "serializable"):
            async with c.transaction(isolation=level, readonly=True, deferrable=True):
                out.append(await rows(c, "select current_setting('transaction_isolation'), "
                                         "current_setting('transaction_read_only'), "
                                         "current_setting('transaction_deferrable')"))
        return [*out, await rows(c, "show transaction_isolation")]


@scenario
async def two_phase():
    async with Connection() as c:
        await c.execute("create table prepared_rows (n int)")
        name = await c.fetchval("select current_database()")
        for n, how in ((1, "commit"), (2, "rollback")):
            await c.execute(f"begin; insert into prepared_rows values ({n})")
            await c.execute(f"prepare transaction '{name}'")
            await c.execute(f"{how} prepared '{name}'")
        return [await rows(c, "select n from prepared_rows"),
                await failure(c.execute("commit prepared 'none'"))]


@scenario
async def notify():
    got, last = [], asyncio.Event()

    def heard(connection, pid, channel, payload):
        got.append([channel, payload])
        if payload == "by function":
            last.set()
    async with Connection() as c, Connection() as other:
        await c.add_listener("letters", heard)
        await c.execute("notify letters, 'own'")
        await other.execute("notify letters, 'from another'")
        await other.fetch("select pg_notify('letters', 'by function')")
        await asyncio.wait_for(last.wait(), DEADLINE_SECONDS)
        await c.remove_listener("letters", heard)
        await other.execute("notify letters, 'too late'")
        await c.execute("select 1")
    return got


@scenario
async def cancel():
    async with Connection() as c:
        try:
            await c.fetch("select pg_sleep(30)", timeout=0.3)
            out = "no timeout"
        except asyncio.TimeoutError:
            out = "timeout"
        return [out, await rows(c, "select 1")]


@scenario
async def set_show():
    async with Connection() as c:
        out = [await rows(c, "show work_mem")]
        await c.execute("set work_mem = '7MB'")
        await c.fetch("select set_config('app.user', $1, false)", "ana")
        await c.execute("set timezone = 'Asia/Tokyo'")
        out += [await rows(c, "show work_mem"), await rows(c, "select current_setting('app.user')"),
                await rows(c, "select '2025-01-01 00:00+00'::timestamptz::text"),
                c.get_settings().TimeZone]
        async with c.transaction():
            await c.execute("set local work_mem = '9MB'")
            out.append(await rows(c, "show work_mem"))
        out.append(await rows(c, "show work_mem"))
        await c.execute("begin; set work_mem = '11MB'; rollback")
        out.append(await rows(c, "show work_mem"))
        await c.execute("reset work_mem")
        return [*out, await rows(c, "show work_mem"),
                await failure(c.execute("set work_mem = 'much'"))]


@scenario
async def statement_timeout():
    async with Connection() as c:
        await c.execute("set statement_timeout = 100")
        late = await failure(c.fetch("select pg_sleep(20)"))
        await c.execute("reset statement_timeout")
        return [late, await rows(c, "select 1")]


@scenario
async def startup_parameters():
    settings = {"application_name": "start-up", "TimeZone": "Asia/Tokyo", "DateStyle": "German"}
    async with Connection(server_settings=settings) as c:
        return [await rows(c, "show application_name"), await rows(c, "show timezone"),
                await rows(c, "select '2025-01-31'::date::text"),
                await rows(c, "show client_encoding"), c.get_server_version().major]


@scenario
async def unicode():
    name = UNICODE["name"]
    async with Connection() as c:
        await c.execute(f'create table "{name}" ("{name}" text)')
        await c.execute(f'insert into "{name}" values ($1)', UNICODE["value"])
        row = (await c.fetch(f'select "{name}", length("{name}") from "{name}"'))[0]
        return [list(row.keys()), plain(list(row.values())),
                await failure(c.execute(f'select "{name}x" from "{name}"'))]


@scenario
async def many_parameters():
    places = ", ".join(f"(${i + 1}::bigint)" for i in range(5000))
    async with Connection() as c:
        return await rows(c, f"select count(*), sum(n), max(n) from (values {places}) v (n)",
                          *range(5000))


@scenario
async def empty_query():
    async with Connection() as c:
        return [plain(await c.fetch(t))
                for t in ("", ";", "-- nothing", "/* nothing */ ;")] + [await rows(c, "select 1")]


@scenario
async def multi_statements():
    async with Connection() as c:
        tag = await c.execute("create table several (n int primary key); insert into several "
                              "values (1), (2); update several set n = n + 10")
        bad = await failure(c.execute("insert into several values (99); select 1 / 0"))
        return [tag, bad, await rows(c, "select n from several order by n")]


@scenario
async def discard():
    async with Connection(statement_cache_size=0) as c:
        await c.execute("set work_mem = '8MB'")
        await c.execute("prepare p as select 1")
        out = [await c.execute("discard all"), await rows(c, "show work_mem"),
               await failure(c.execute("execute p"))]
        await c.execute("prepare p as select 2")
        out += [await c.execute("execute p"), await c.execute("deallocate all")]
        await c.reset()
        return [*out, await failure(c.execute("execute p")), await rows(c, "select $1::int", 1)]


@scenario
async def notices():
    got = []
    async with Connection() as c:
        c.add_log_listener(lambda _, m: got.append([m.severity_en, m.sqlstate, m.message,
                                                    m.detail]))
        await c.execute("do $$ begin raise info 'i'; raise notice 'n' using detail = 'more'; "
                        "raise warning 'w'; end $$")
        await c.execute("drop table if exists no_such_table")
    return got


@scenario
async def temp_table():
    async with Connection() as c:
        await c.execute("create temp table mine (n int)")
        for i in range(5):
            await c.execute("insert into mine values ($1)", i)
        out = await rows(c, "select sum(n) from mine")
        await c.execute("drop table mine")
    async with Connection() as c:
        return [out, await failure(c.fetch("select * from mine"))]


@scenario
async def advisory_lock():
    ask = "select pg_try_advisory_lock(77)"
    async with Connection() as c, Connection() as other:
        out = [await rows(c, ask), await rows(other, ask), await rows(c, "select 1"),
               await rows(other, ask), await rows(c, "select pg_advisory_unlock(77)"),
               await rows(other, ask), await rows(other, "select pg_advisory_unlock(77)")]
        return out


@scenario
async def describe():
    async with Connection() as c:
        statement = await c.prepare("select $1::int + 1 as a, $2::text as b, $3::numeric(8, 2) d, "
                                    "now() as e")
        return [[[t.name, t.oid] for t in statement.get_parameters()],
                [[a.name, a.type.name, a.type.oid] for a in statement.get_attributes()]]


@scenario
async def counts():
    async with Connection() as c:
        await c.execute("create table counted (id int generated always as identity, t text)")
        return [await c.execute(t) for t in (
            "insert into counted (t) select 'x' from generate_series(1, 7)",
            "update counted set t = 'y' where id <= 3", "delete from counted where id = 1",
            "select * from counted", "truncate counted")] + [
            await rows(c, "insert into counted (t) values ('a'), ('b') returning id, t")]


@scenario
async def reconnect():
    out = []
    for i in range(20):
        async with Connection() as c:
            out.append(await c.fetchval("select $1::int", i))
    return out


@scenario
async def concurrent():
    async def one(number):
        async with Connection() as c:
            await c.fetch("select set_config('app.number', $1, false)", str(number))
            return sorted({await c.fetchval("select current_setting('app.number')")
                           for _ in range(25)})
    return await asyncio.gather(*(one(n) for n in range(8)))


@scenario
async def login_errors():
    async def attempt(**change):
        return await failure(asyncpg.connect(URI, **change))
    return [await attempt(password="wrong"), await attempt(user="nobody-here", password="x"),
            await attempt(database="no_such_database")]


@scenario
async def application():
    async with Connection() as c:
        return [await rows(c, text) for text, _ in APPLICATION]


async def main():
    for name, function in chosen(scenarios).items():
        try:
            emit(name, {"result": await asyncio.wait_for(function(), DEADLINE_SECONDS)})
        except Exception:
            emit(name, {"error": traceback.format_exc()})


asyncio.run(main())
