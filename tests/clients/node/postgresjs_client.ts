// The scenarios with postgres.js, which pipelines and prepares everything by itself.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline as pipe } from "node:stream/promises";
import postgres from "postgres";
import * as c from "./common";

const { failure } = c;
type Sql = postgres.Sql;

async function using<T>(work: (sql: Sql) => Promise<T>, more: object = {}): Promise<T> {
  const sql = postgres(c.URI, { max: 1, onnotice: () => {}, ...more });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const rows = async (sql: Sql, text: string, values: any[] = []) =>
  [...await sql.unsafe(text, values).values()];
const prepared = async (sql: Sql, text: string, values: any[] = []) =>
  [...await sql.unsafe(text, values, { prepare: true }).values()];

const scenarios: c.Scenarios = {
  types: () => using(async (k) => [[...await k.unsafe(c.ALL_TYPES)], await prepared(k, c.ALL_TYPES),
                                   await rows(k, c.MORE_TYPES)]),
  nulls: () => using(async (k) => [...await k`select ${null}::int, ${null}::text as t,
    ${null}::timestamptz as z, ${null}::int[] as a, null as n, ${null}::int is null as i`]),
  arrays: () => using(async (k) => [...await k`select ${[1, null, 3] as any}::int[] as a,
    ${["a,b", 'c"d', "e\\f", null, "", "NULL"] as any}::text[] as b,
    ${[[1, 2], [3, 4]] as any}::int[] as c, ${[] as any}::text[] as d`]),
  json: () => using(async (k) => [...await k`select ${k.json(c.JSON_VALUE)}::json as a,
    ${k.json(c.JSON_VALUE)}::jsonb as b, ${k.json(c.JSON_VALUE)}::jsonb -> 'nested' as c`]),
  bytea: () => using(async (k) => {
    const [row] = await k`select ${c.EVERY_BYTE}::bytea as every, ${c.LONG_BYTES}::bytea as long,
      md5(${c.LONG_BYTES}::bytea) as digest`;
    return [row, (row.long as Buffer).equals(c.LONG_BYTES)];
  }),
  big_result: () => using(async (k) => {
    const numbers = (await k`select n from generate_series(1, 100000) n`).map((r) => r.n);
    return [numbers.length, numbers.reduce((a, b) => a + b, 0),
            numbers.every((n, i) => n === i + 1)];
  }),
  wide_value: () => using(async (k) => {
    const [row] = await k`select ${c.WIDE_TEXT}::text as back, md5(${c.WIDE_TEXT}::text) as digest`;
    return [row.back === c.WIDE_TEXT, row.digest];
  }),
  cursor: () => using(async (k) => {
    const sizes: unknown[] = [];
    await k`select n from generate_series(1, 1000) n`.cursor(300, async (portion) => {
      sizes.push([portion.length, portion[0]]);
    });
    let seen = 0;
    for await (const [row] of k`select n from generate_series(1, 50) n`.cursor()) {
      if ((seen = row.n) === 7) break;
    }
    return [sizes, seen, await rows(k, "select 1")];
  }),
  hold_cursor: () => using(async (k) => {
    await k.begin((t) => t`declare held cursor with hold for select n from generate_series(1, 9) n`);
    const out = [await rows(k, "fetch 3 from held"), await rows(k, "fetch 3 from held")];
    await k`close held`;
    return [...out, await failure(rows(k, "fetch 1 from held"))];
  }),
  prepared: () => using(async (k) => {
    const out = [];
    for (let i = 0; i < 12; i++) {
      out.push([...await k`select ${i}::int * 2 as d`], [...await k`select upper(${`v${i}`}) as u`]);
    }
    return out;
  }),
  many_prepared: () => using(async (k) => {
    const out = [];
    for (let i = 0; i < 120; i++) out.push(await prepared(k, `select $1::int + ${i % 60}`, [i]));
    return out;
  }),
  prepared_sql: () => using(async (k) => {
    await k.unsafe("prepare twice (int) as select $1 * 2");
    const out: unknown[] = [];
    for (let i = 0; i < 5; i++) out.push(await rows(k, `execute twice(${i})`));
    out.push(await failure(k.unsafe("prepare twice as select 1")));
    await k.unsafe("deallocate twice");
    return [...out, await failure(k.unsafe("execute twice(1)"))];
  }),
  pipeline: () => using(async (k) => {
    await k`create table pipeline_rows (n int primary key)`;
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
      k`insert into pipeline_rows values (${i}) returning n * 10 as ten`));
    return [[...answers[7]], answers.length,
            await rows(k, "select count(*), sum(n) from pipeline_rows")];
  }),
  pipeline_error: () => using(async (k) => {
    await k`create table pipeline_error_rows (n int primary key)`;
    const answers = await Promise.all([1, 2, 1, 3].map((n) =>
      failure(k`insert into pipeline_error_rows values (${n})`)));
    return [answers, await rows(k, "select n from pipeline_error_rows order by n")];
  }),
  copy_out: () => using(async (k) => {
    const hash = createHash("md5");
    let length = 0;
    // Past 16 kB in its buffer postgres.js 3.4.7 pauses its socket and often never resumes it,
    // also straight to PostgreSQL.
    const stream = await k`copy (select n, 'row ' || n from generate_series(1, 700) n) to stdout`.readable();
    for await (const chunk of stream) {
      hash.update(chunk);
      length += chunk.length;
    }
    return [length, hash.digest("hex"), await rows(k, "select 1")];
  }),
  copy_in: () => using(async (k) => {
    await k`create table copied (n int, t text)`;
    const lines = Array.from({ length: 20000 }, (_, i) => `${i}\t${i % 7 ? `row ${i}` : "\\N"}\n`);
    await pipe(Readable.from(lines), await k`copy copied from stdin`.writable());
    return rows(k, "select count(*), count(t), sum(n) from copied");
  }),
  errors: () => using(async (k) => {
    await k`create table strict (n int primary key check (n > 0), t text not null)`;
    await k`insert into strict values (1, 'a')`;
    const out = [];
    for (const [text, values] of c.BAD_STATEMENTS) out.push(await failure(prepared(k, text, values as any)));
    return [...out, await rows(k, "select count(*) from strict")];
  }),
  error_after_rows: () => using(async (k) => [
    await failure(rows(k, "select 100 / (500 - n) from generate_series(1, 1000) n")),
    await rows(k, "select 1")]),
  transaction: () => using(async (k) => {
    await k`create table tx (n int)`;
    await k.begin((t) => t`insert into tx values (1)`);
    const undone = await failure(k.begin(async (t) => {
      await t`insert into tx values (2)`;
      throw new Error(`inside ${(await t`select count(*)::int as n from tx`)[0].n}`);
    }));
    return [undone, await rows(k, "select n from tx")];
  }),
  savepoints: () => using(async (k) => {
    await k`create table sp (n int primary key)`;
    const inner = await k.begin(async (t) => {
      await t`insert into sp values (1)`;
      const bad = await failure(t.savepoint((s) => s`insert into sp values (1)`));
      await t.savepoint((s) => s`insert into sp values (2)`);
      return bad;
    });
    return [inner, await rows(k, "select n from sp order by n")];
  }),
  failed_transaction: () => using(async (k) => {
    const one = await k.reserve();
    await one`begin`;
    const out = [await failure(one`select 1 / 0`), await failure(one`select 1`),
                 (await one`commit`).command];
    const after = [...await one`select 1 as one`];
    one.release();
    return [...out, after];
  }),
  isolation: () => using(async (k) => {
    const out = [];
    for (const level of c.LEVELS) {
      out.push(await k.begin(`isolation level ${level} read only deferrable`, async (t) =>
        [...await t`select current_setting('transaction_isolation') as i,
                    current_setting('transaction_read_only') as r`]));
      out.push(await failure(k.begin("read only", (t) => t`create table no (n int)`)));
    }
    return [...out, await rows(k, "show transaction_isolation")];
  }),
  two_phase: () => using(async (k) => {
    await k`create table prepared_rows (n int)`;
    const [{ name }] = await k`select current_database() as name`;
    for (const [n, how] of [[1, "commit"], [2, "rollback"]]) {
      await k.unsafe(`begin; insert into prepared_rows values (${n}); prepare transaction '${name}'`);
      await k.unsafe(`${how} prepared '${name}'`);
    }
    return [await rows(k, "select n from prepared_rows"),
            await failure(k.unsafe("commit prepared 'none'"))];
  }),
  notify: () => using((k) => using(async (other) => {
    const got: unknown[] = [];
    let heard: () => void;
    const last = new Promise<void>((resolve) => { heard = resolve; });
    const { unlisten } = await k.listen("letters", (payload) => {
      got.push(payload);
      if (payload === "by function") heard();
    });
    await k.notify("letters", "own");
    await other`notify letters, 'from another'`;
    await other`select pg_notify('letters', 'by function')`;
    await last;
    await unlisten();
    await other`notify letters, 'too late'`;
    return got;
  })),
  cancel: () => using((k) => using(async (other) => {
    const query = k`select pg_sleep(30)`;
    const sleeping = failure(query);
    for (let active = 0; !active;) {
      [{ active }] = await other`select count(*)::int as active from pg_stat_activity
        where datname = current_database() and query = 'select pg_sleep(30)' and state = 'active'` as any;
    }
    query.cancel();
    return [await sleeping, await rows(k, "select 1")];
  })),
  set_show: () => using(async (k) => {
    const out = [await rows(k, "show work_mem")];
    await k`set work_mem = '7MB'`;
    await k`select set_config('app.user', ${"ana"}, false)`;
    await k`set timezone = 'Asia/Tokyo'`;
    out.push(await rows(k, "show work_mem"), await rows(k, "select current_setting('app.user')"),
             await rows(k, "select '2025-01-01 00:00+00'::timestamptz::text"));
    out.push(await k.begin(async (t) => {
      await t`set local work_mem = '9MB'`;
      return [...await t`show work_mem`];
    }));
    out.push(await rows(k, "show work_mem"));
    await k.unsafe("begin; set work_mem = '11MB'; rollback");
    out.push(await rows(k, "show work_mem"));
    await k`reset work_mem`;
    return [...out, await rows(k, "show work_mem"), await failure(k.unsafe("set work_mem = 'much'"))];
  }),
  statement_timeout: () => using(async (k) => {
    await k`set statement_timeout = 100`;
    const late = await failure(rows(k, "select pg_sleep(20)"));
    await k`reset statement_timeout`;
    return [late, await rows(k, "select 1")];
  }),
  startup_parameters: () => using(async (k) => [
    await rows(k, "show application_name"), await rows(k, "show timezone"),
    await rows(k, "select '2025-01-31'::date::text"), k.parameters.server_encoding],
    { connection: { application_name: "start-up", TimeZone: "Asia/Tokyo", DateStyle: "German" } }),
  unicode: () => using(async (k) => {
    const { name, value } = c.UNICODE;
    await k`create table ${k(name)} (${k(name)} text)`;
    await k`insert into ${k(name)} values (${value})`;
    return [[...await k`select ${k(name)}, length(${k(name)}) from ${k(name)}`],
            await failure(k`select ${k(`${name}x`)} from ${k(name)}`)];
  }),
  many_parameters: () => using((k) => {
    const places = Array.from({ length: 5000 }, (_, i) => `($${i + 1}::bigint)`).join(", ");
    return rows(k, `select count(*), sum(n), max(n) from (values ${places}) v (n)`,
                Array.from({ length: 5000 }, (_, i) => i));
  }),
  empty_query: () => using(async (k) => {
    const out = [];
    for (const text of ["", ";", "-- nothing", "/* nothing */ ;"]) {
      out.push((await k.unsafe(text)).length, (await k.unsafe(text, [], { prepare: true })).length);
    }
    return [...out, await rows(k, "select 1")];
  }),
  multi_statements: () => using(async (k) => {
    await k`create table several (n int primary key)`;
    const answers = await k.unsafe("insert into several values (1), (2); select n from several; " +
      "update several set n = n + 10; select sum(n) from several").simple() as any;
    const bad = await failure(k.unsafe("insert into several values (99); select 1 / 0").simple());
    return [answers.map((a: any) => [a.command, a.count, [...a]]), bad,
            await rows(k, "select n from several order by n")];
  }),
  discard: () => using(async (k) => {
    await k`set work_mem = '8MB'`;
    await k.unsafe("prepare p as select 1");
    const out: unknown[] = [(await k.unsafe("discard all")).command, await rows(k, "show work_mem"),
                            await failure(k.unsafe("execute p"))];
    await k.unsafe("prepare p as select 2");
    out.push(await rows(k, "execute p"), (await k.unsafe("deallocate all")).command);
    return [...out, await failure(k.unsafe("execute p")), await rows(k, "select 1")];
  }, { prepare: false, fetch_types: false }),
  notices: async () => {
    const got: unknown[] = [];
    await using(async (k) => {
      await k`do $$ begin raise info 'i'; raise notice 'n' using detail = 'more';
              raise warning 'w'; end $$`;
      await k`drop table if exists no_such_table`;
    }, { onnotice: (n: any) => got.push([n.severity, n.code, n.message, n.detail ?? null]) });
    return got;
  },
  temp_table: async () => {
    const out = await using(async (k) => {
      await k`create temp table mine (n int)`;
      for (let i = 0; i < 5; i++) await k`insert into mine values (${i})`;
      const sum = await rows(k, "select sum(n) from mine");
      await k`drop table mine`;
      return sum;
    });
    return [out, await using((k) => failure(rows(k, "select * from mine")))];
  },
  advisory_lock: () => using((k) => using(async (other) => {
    const ask = "select pg_try_advisory_lock(77)";
    return [await rows(k, ask), await rows(other, ask), await rows(k, "select 1"),
            await rows(other, ask), await rows(k, "select pg_advisory_unlock(77)"),
            await rows(other, ask), await rows(other, "select pg_advisory_unlock(77)")];
  })),
  describe: () => using(async (k) => {
    const statement = await k.unsafe("select $1::int + 1 as a, $2::text as b, now() as e",
                                     [1, "x"], { prepare: true }).describe();
    return [statement.types, statement.columns.map((column) => [column.name, column.type])];
  }),
  counts: () => using(async (k) => {
    await k`create table counted (id int generated always as identity, t text)`;
    const out = [];
    for (const text of ["insert into counted (t) select 'x' from generate_series(1, 7)",
                        "update counted set t = 'y' where id <= 3",
                        "delete from counted where id = 1", "select * from counted",
                        "truncate counted"]) {
      const answer = await k.unsafe(text);
      out.push([answer.command, answer.count]);
    }
    return [...out, [...await k`insert into counted (t) values ('a'), ('b') returning id, t`]];
  }),
  reconnect: async () => {
    const out = [];
    for (let i = 0; i < 20; i++) out.push(await using((k) => rows(k, "select $1::int", [i])));
    return out;
  },
  concurrent: () => using(async (k) => Promise.all(Array.from({ length: 8 }, async (_, number) => {
    const one = await k.reserve();
    await one`select set_config('app.number', ${String(number)}, false)`;
    const seen = new Set();
    for (let i = 0; i < 25; i++) {
      seen.add((await one`select current_setting('app.number') as n`)[0].n);
    }
    one.release();
    return [...seen];
  })), { max: 8 }),
  login_errors: async () => {
    const attempt = (change: object) => failure(using((k) => rows(k, "select 1"), change));
    return [await attempt({ password: "wrong" }), await attempt({ username: "nobody-here" }),
            await attempt({ database: "no_such_database" })];
  },
  application: () => using(async (k) => [
    [...await k`select id, name, priority, segment from organizations where segment = ${"FINE_DINING"}
      and priority <= ${"B"} order by id limit 20`],
    [...await k`select o.segment, count(*), sum(p.amount) from opportunities p join organizations o
      on o.id = p.organization_id where p.stage not in ('WON', 'LOST') group by 1 order by 1`],
    [...await k`select first_name from contacts where organization_id in ${k([1, 2, 3])} order by id`],
    await k.begin(async (t) => [...await t`update organizations set ${t({ city: "Faro" })}
      where id = 7 returning id, city`])]),
};

await c.main(scenarios);
