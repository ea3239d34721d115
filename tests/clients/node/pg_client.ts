// The scenarios with node-postgres, with pg-cursor and pg-copy-streams.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline as pipe } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import * as c from "./common";

const { failure } = c;

async function using<T>(work: (client: pg.Client) => Promise<T>, more: object = {}): Promise<T> {
  const client = new pg.Client({ connectionString: c.URI, ...more });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function rows(client: pg.Client, text: string, values?: unknown[]) {
  return (await client.query({ text, values, rowMode: "array" })).rows;
}

function addressed(change: object): object {
  const url = new URL(c.URI);
  return { connectionString: undefined, host: url.hostname, port: Number(url.port),
           user: url.username, password: url.password, database: url.pathname.slice(1), ...change };
}

const scenarios: c.Scenarios = {
  types: () => using(async (k) => [(await k.query(c.ALL_TYPES)).rows,
                                   await rows(k, c.ALL_TYPES, []), await rows(k, c.MORE_TYPES)]),
  nulls: () => using((k) => rows(k, "select $1::int, $2::text, $3::timestamptz, $4::int[], null, " +
                                    "$5::int is null", [null, null, null, null, null])),
  arrays: () => using((k) => rows(k, "select $1::int[], $2::text[], $3::int[], $4::text[]", [
    [1, null, 3], ["a,b", 'c"d', "e\\f", null, "", "NULL"], [[1, 2], [3, 4]], []])),
  json: () => using((k) => rows(k, "select $1::json, $2::jsonb, $2::jsonb -> 'nested'",
                                [JSON.stringify(c.JSON_VALUE), c.JSON_VALUE])),
  bytea: () => using(async (k) => {
    const back = await rows(k, "select $1::bytea, $2::bytea, md5($2::bytea)",
                            [c.EVERY_BYTE, c.LONG_BYTES]);
    return [back, (back[0][1] as Buffer).equals(c.LONG_BYTES)];
  }),
  big_result: () => using(async (k) => {
    const numbers = (await rows(k, "select n from generate_series(1, 100000) n")).map((r) => r[0]);
    return [numbers.length, numbers.reduce((a, b) => a + b, 0),
            numbers.every((n, i) => n === i + 1)];
  }),
  wide_value: () => using(async (k) => {
    const [[back, digest]] = await rows(k, "select $1::text, md5($1::text)", [c.WIDE_TEXT]);
    return [back === c.WIDE_TEXT, digest];
  }),
  cursor: () => using(async (k) => {
    const cursor = k.query(new Cursor("select n from generate_series(1, $1::int) n", [1000]));
    const sizes = [];
    for (let portion = await cursor.read(300); portion.length > 0; portion = await cursor.read(300)) {
      sizes.push([portion.length, portion[0]]);
    }
    await cursor.close();
    const left = k.query(new Cursor("select n from generate_series(1, 100) n"));
    const some = await left.read(5);
    await left.close();
    return [sizes, some, await rows(k, "select 1")];
  }),
  hold_cursor: () => using(async (k) => {
    await k.query("begin");
    await k.query("declare held cursor with hold for select n from generate_series(1, 9) n");
    await k.query("commit");
    const out = [await rows(k, "fetch 3 from held"), await rows(k, "fetch 3 from held")];
    await k.query("close held");
    return [...out, await failure(k.query("fetch 1 from held"))];
  }),
  prepared: () => using(async (k) => {
    const out = [];
    for (let i = 0; i < 12; i++) {
      out.push((await k.query({ name: "double", text: "select $1::int * 2 as d", values: [i] })).rows);
      out.push((await k.query({ name: "upper", text: "select upper($1) as u", values: [`v${i}`] })).rows);
    }
    return out;
  }),
  many_prepared: () => using(async (k) => {
    const out = [];
    for (let i = 0; i < 120; i++) {
      const n = i % 60;
      out.push((await k.query({ name: `n${n}`, text: `select $1::int + ${n} as s`, values: [i] })).rows);
    }
    return out;
  }),
  prepared_sql: () => using(async (k) => {
    await k.query("prepare twice (int) as select $1 * 2");
    const out: unknown[] = [];
    for (let i = 0; i < 5; i++) out.push(await rows(k, `execute twice(${i})`));
    out.push(await failure(k.query("prepare twice as select 1")));
    await k.query("deallocate twice");
    return [...out, await failure(k.query("execute twice(1)"))];
  }),
  pipeline: () => using(async (k) => {
    await k.query("create table pipeline_rows (n int primary key)");
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
      rows(k, "insert into pipeline_rows values ($1) returning n * 10", [i])));
    return [answers[7], answers.length, await rows(k, "select count(*), sum(n) from pipeline_rows")];
  }),
  pipeline_error: () => using(async (k) => {
    await k.query("create table pipeline_error_rows (n int primary key)");
    const text = "insert into pipeline_error_rows values ($1)";
    const answers = await Promise.all([1, 2, 1, 3].map((n) => failure(k.query(text, [n]))));
    return [answers, await rows(k, "select n from pipeline_error_rows order by n")];
  }),
  copy_out: () => using(async (k) => {
    const hash = createHash("md5");
    let length = 0;
    const stream = k.query(copyTo("copy (select n, 'row ' || n from generate_series(1, 20000) n) to stdout"));
    for await (const chunk of stream) {
      hash.update(chunk);
      length += chunk.length;
    }
    return [length, hash.digest("hex"), await rows(k, "select 1")];
  }),
  copy_in: () => using(async (k) => {
    await k.query("create table copied (n int, t text)");
    const lines = Array.from({ length: 20000 }, (_, i) => `${i}\t${i % 7 ? `row ${i}` : "\\N"}\n`);
    const stream = k.query(copyFrom("copy copied from stdin"));
    await pipe(Readable.from(lines), stream);
    return [stream.rowCount, await rows(k, "select count(*), count(t), sum(n) from copied")];
  }),
  copy_in_error: () => using(async (k) => {
    await k.query("create table copied_badly (n int)");
    const lines = Array.from({ length: 5000 }, (_, i) => `${i === 3000 ? "no number" : i}\n`);
    const bad = await failure(pipe(Readable.from(lines), k.query(copyFrom("copy copied_badly from stdin"))));
    return [bad, await rows(k, "select count(*) from copied_badly")];
  }),
  copy_in_abandoned: () => using(async (k) => {
    await k.query("create table copied_partly (n int)");
    const stream = k.query(copyFrom("copy copied_partly from stdin"));
    stream.write("1\n2\n");
    const ended = new Promise((resolve) => stream.on("error", (error) => resolve(String(error))));
    stream.destroy(new Error("changed my mind"));
    return [await ended, await rows(k, "select count(*) from copied_partly")];
  }),
  errors: () => using(async (k) => {
    await k.query("create table strict (n int primary key check (n > 0), t text not null)");
    await k.query("insert into strict values (1, 'a')");
    const out = [];
    for (const [text, values] of c.BAD_STATEMENTS) out.push(await failure(k.query(text, values)));
    return [...out, await rows(k, "select count(*) from strict")];
  }),
  error_after_rows: () => using(async (k) => [
    await failure(k.query("select 100 / (500 - n) from generate_series(1, 1000) n")),
    await rows(k, "select 1")]),
  transaction: () => using(async (k) => {
    await k.query("create table tx (n int)");
    await k.query("begin; insert into tx values (1); commit");
    await k.query("begin");
    await k.query("insert into tx values (2)");
    const inside = await rows(k, "select count(*) from tx");
    await k.query("rollback");
    return [inside, await rows(k, "select n from tx")];
  }),
  savepoints: () => using(async (k) => {
    await k.query("create table sp (n int primary key)");
    await k.query("begin");
    await k.query("insert into sp values (1)");
    await k.query("savepoint a");
    const inner = await failure(k.query("insert into sp values (1)"));
    await k.query("rollback to a");
    await k.query("insert into sp values (2)");
    await k.query("release a");
    await k.query("commit");
    return [inner, await rows(k, "select n from sp order by n")];
  }),
  failed_transaction: () => using(async (k) => {
    await k.query("begin");
    const out = [await failure(k.query("select 1 / 0")), await failure(k.query("select 1")),
                 await failure(k.query("select $1::int", [1])), (await k.query("commit")).command];
    return [...out, await rows(k, "select 1")];
  }),
  isolation: () => using(async (k) => {
    const out = [];
    for (const level of c.LEVELS) {
      await k.query(`begin isolation level ${level}, read only, deferrable`);
      out.push(await rows(k, "show transaction_isolation"), await rows(k, "show transaction_read_only"));
      out.push(await failure(k.query("create table no (n int)")));
      await k.query("rollback");
    }
    return [...out, await rows(k, "show transaction_isolation")];
  }),
  two_phase: () => using(async (k) => {
    await k.query("create table prepared_rows (n int)");
    const name = (await k.query("select current_database() as n")).rows[0].n;
    for (const [n, how] of [[1, "commit"], [2, "rollback"]]) {
      await k.query("begin");
      await k.query("insert into prepared_rows values ($1)", [n]);
      await k.query(`prepare transaction '${name}'`);
      await k.query(`${how} prepared '${name}'`);
    }
    return [await rows(k, "select n from prepared_rows"),
            await failure(k.query("commit prepared 'none'"))];
  }),
  notify: () => using((k) => using(async (other) => {
    const got: unknown[] = [];
    const last = new Promise<void>((resolve) => k.on("notification", (n) => {
      got.push([n.channel, n.payload]);
      if (n.payload === "by function") resolve();
    }));
    await k.query("listen letters");
    await k.query("notify letters, 'own'");
    await other.query("notify letters, 'from another'");
    await other.query("select pg_notify($1, $2)", ["letters", "by function"]);
    await last;
    await k.query("unlisten *");
    await other.query("notify letters, 'too late'");
    await k.query("select 1");
    return got;
  })),
  cancel: () => using((k) => using(async (other) => {
    const pid = (await rows(k, "select pg_backend_pid()"))[0][0];
    const sleeping = failure(k.query("select pg_sleep(30)"));
    for (let active = 0; !active;) {
      [[active]] = await rows(other, "select count(*)::int from pg_stat_activity where pid = $1 " +
                                     "and query like '%pg_sleep(30)%' and state = 'active'", [pid]);
    }
    // The protocol's own cancel request, by the key that this client was given.
    const messenger = new pg.Client(c.URI) as any;
    const key = k as any;
    messenger.connection.connect(Number(new URL(c.URI).port), new URL(c.URI).hostname);
    await once(messenger.connection, "connect");
    messenger.connection.cancel(key.processID, key.secretKey);
    return [await sleeping, await rows(k, "select 1")];
  })),
  set_show: () => using(async (k) => {
    const out = [await rows(k, "show work_mem")];
    await k.query("set work_mem = '7MB'");
    await k.query("select set_config('app.user', $1, false)", ["ana"]);
    await k.query("set timezone = 'Asia/Tokyo'");
    out.push(await rows(k, "show work_mem"), await rows(k, "select current_setting('app.user')"),
             await rows(k, "select '2025-01-01 00:00+00'::timestamptz::text"));
    await k.query("begin");
    await k.query("set local work_mem = '9MB'");
    out.push(await rows(k, "show work_mem"));
    await k.query("commit");
    out.push(await rows(k, "show work_mem"));
    await k.query("begin; set work_mem = '11MB'; rollback");
    out.push(await rows(k, "show work_mem"));
    await k.query("reset work_mem");
    return [...out, await rows(k, "show work_mem"), await failure(k.query("set work_mem = 'much'"))];
  }),
  statement_timeout: () => using(async (k) => {
    await k.query("set statement_timeout = 100");
    const late = await failure(k.query("select pg_sleep(20)"));
    await k.query("reset statement_timeout");
    return [late, await rows(k, "select 1")];
  }),
  startup_parameters: () => using(async (k) => [
    await rows(k, "show application_name"), await rows(k, "show client_encoding")],
    { application_name: "start-up", client_encoding: "UTF8" }),
  startup_options: () => using(async (k) => [
    await rows(k, "show work_mem"), await rows(k, "select current_setting('app.thing')"),
    await rows(k, "show statement_timeout")],
    { options: "-c work_mem=6MB -c app.thing=a\\ b", statement_timeout: 4321 }),
  unicode: () => using(async (k) => {
    const { name, value } = c.UNICODE;
    await k.query(`create table "${name}" ("${name}" text)`);
    await k.query(`insert into "${name}" values ($1)`, [value]);
    return [(await k.query(`select "${name}", length("${name}") from "${name}"`)).rows,
            await failure(k.query(`select "${name}x" from "${name}"`))];
  }),
  many_parameters: () => using((k) => {
    const places = Array.from({ length: 5000 }, (_, i) => `($${i + 1}::bigint)`).join(", ");
    return rows(k, `select count(*), sum(n), max(n) from (values ${places}) v (n)`,
                Array.from({ length: 5000 }, (_, i) => i));
  }),
  empty_query: () => using(async (k) => {
    const out = [];
    for (const text of ["", ";", "-- nothing", "/* nothing */ ;"]) {
      const { command, rowCount } = await k.query(text);
      out.push([command, rowCount, (await k.query(text, [])).rowCount]);
    }
    return [...out, await rows(k, "select 1")];
  }),
  multi_statements: () => using(async (k) => {
    await k.query("create table several (n int primary key)");
    const answers = await k.query("insert into several values (1), (2); select n from several; " +
                                  "update several set n = n + 10; select sum(n) from several") as any;
    const bad = await failure(k.query("insert into several values (99); select 1 / 0; select 3"));
    const mixed = await failure(k.query("begin; insert into several values (50); commit; " +
                                        "insert into several values (51); select 1 / 0"));
    return [answers.map((a: pg.QueryResult) => [a.command, a.rowCount, a.rows]), bad, mixed,
            await rows(k, "select n from several order by n")];
  }),
  discard: () => using(async (k) => {
    await k.query("set work_mem = '8MB'");
    await k.query("prepare p as select 1");
    const out: unknown[] = [(await k.query("discard all")).command, await rows(k, "show work_mem"),
                            await failure(k.query("execute p"))];
    await k.query("prepare p as select 2");
    out.push(await rows(k, "execute p"), (await k.query("deallocate all")).command);
    return [...out, await failure(k.query("execute p")), await rows(k, "select $1::int", [1])];
  }),
  notices: () => using(async (k) => {
    const got: unknown[] = [];
    k.on("notice", (n) => got.push([n.severity, n.code, n.message, n.detail ?? null]));
    await k.query("do $$ begin raise info 'i'; raise notice 'n' using detail = 'more'; " +
                  "raise warning 'w'; end $$");
    await k.query("drop table if exists no_such_table");
    return got;
  }),
  temp_table: async () => {
    const out = await using(async (k) => {
      await k.query("create temp table mine (n int)");
      for (let i = 0; i < 5; i++) await k.query("insert into mine values ($1)", [i]);
      const sum = await rows(k, "select sum(n) from mine");
      await k.query("drop table mine");
      return sum;
    });
    return [out, await using((k) => failure(k.query("select * from mine")))];
  },
  advisory_lock: () => using((k) => using(async (other) => {
    const ask = "select pg_try_advisory_lock(77)";
    return [await rows(k, ask), await rows(other, ask), await rows(k, "select 1"),
            await rows(other, ask), await rows(k, "select pg_advisory_unlock(77)"),
            await rows(other, ask), await rows(other, "select pg_advisory_unlock(77)")];
  })),
  describe: () => using(async (k) => [
    (await k.query(c.ALL_TYPES + " limit 0")).fields, (await k.query(c.ALL_TYPES, [])).fields,
  ].map((fields) => fields.filter((f) => f.name !== "enum_value")
    .map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier, f.format]))),
  counts: () => using(async (k) => {
    await k.query("create table counted (id int generated always as identity, t text)");
    const out = [];
    for (const text of ["insert into counted (t) select 'x' from generate_series(1, 7)",
                        "update counted set t = 'y' where id <= 3",
                        "delete from counted where id = 1", "select * from counted",
                        "truncate counted"]) {
      const { command, rowCount } = await k.query(text);
      out.push([command, rowCount]);
    }
    return [...out, await rows(k, "insert into counted (t) values ('a'), ('b') returning id, t")];
  }),
  reconnect: async () => {
    const out = [];
    for (let i = 0; i < 20; i++) out.push(await using((k) => rows(k, "select $1::int", [i])));
    return out;
  },
  concurrent: async () => {
    const pool = new pg.Pool({ connectionString: c.URI, max: 8 });
    const one = async (number: number) => {
      const client = await pool.connect();
      await client.query("select set_config('app.number', $1, false)", [String(number)]);
      const seen = new Set();
      for (let i = 0; i < 25; i++) {
        seen.add((await client.query("select current_setting('app.number') as n")).rows[0].n);
      }
      client.release();
      return [...seen];
    };
    const out = await Promise.all(Array.from({ length: 8 }, (_, i) => one(i)));
    await pool.end();
    return out;
  },
  login_errors: async () => {
    const attempt = (change: object) => failure(using(async () => "in", addressed(change)));
    return [await attempt({ password: "wrong" }), await attempt({ user: "nobody-here" }),
            await attempt({ database: "no_such_database" })];
  },
  application: () => using(async (k) => [
    await rows(k, "select id, name, priority, segment from organizations where segment = $1 and " +
                  "priority <= $2 order by id limit 20", ["FINE_DINING", "B"]),
    await rows(k, "select o.segment, count(*), sum(p.amount) from opportunities p join organizations " +
                  "o on o.id = p.organization_id where p.stage not in ('WON', 'LOST') group by 1 order by 1"),
    await rows(k, "select first_name from contacts where organization_id = any($1) order by id",
               [[1, 2, 3]])]),
};

await c.main(scenarios);
