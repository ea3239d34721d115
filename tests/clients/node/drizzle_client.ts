// The scenarios with Drizzle over node-postgres, on PantryCRM's schema.
import { and, asc, count, eq, inArray, lte, sql, sum } from "drizzle-orm";
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import * as schema from "../../../examples/pantrycrm/drizzle/schema";
import * as c from "./common";

const { failure } = c;
const { organizations, contacts, opportunities, users } = schema;
type Database = NodePgDatabase<typeof schema>;

async function using<T>(work: (db: Database) => Promise<T>, max = 2): Promise<T> {
  const pool = new pg.Pool({ connectionString: c.URI, max });
  try {
    return await work(drizzle(pool, { schema }));
  } finally {
    await pool.end();
  }
}

const rows = async (db: Pick<Database, "execute">, text: ReturnType<typeof sql>) =>
  (await db.execute(text)).rows;
const strict = (n: number, t: string | null) => sql`insert into strict values (${n}, ${t})`;

const scenarios: c.Scenarios = {
  types: () => using(async (db) => [
    await db.select().from(organizations).orderBy(asc(organizations.id)).limit(3),
    await db.select().from(opportunities).orderBy(asc(opportunities.id)).limit(3),
    await rows(db, sql.raw(c.ALL_TYPES))]),
  nulls: () => using((db) => rows(db, sql`select ${null}::int as i, ${null}::text as t, null as n`)),
  arrays: () => using((db) => db.transaction(async (tx) => {
    await tx.update(organizations).set({ tags: ["a,b", 'c"d', "e\\f", "", "NULL"] })
      .where(eq(organizations.id, 5));
    return tx.select({ tags: organizations.tags }).from(organizations)
      .where(sql`${organizations.tags} @> ${sql.param(["a,b"])}`);
  })),
  json: () => using((db) => db.transaction(async (tx) => {
    await tx.update(organizations).set({ details: c.JSON_VALUE }).where(eq(organizations.id, 6));
    return tx.select({ details: organizations.details }).from(organizations)
      .where(eq(organizations.id, 6));
  })),
  bytea: () => using((db) => rows(db, sql`select ${c.EVERY_BYTE}::bytea as every,
    md5(${c.LONG_BYTES}::bytea) as digest`)),
  big_result: () => using(async (db) => {
    const all = await rows(db, sql`select n from generate_series(1, 100000) n`);
    return [all.length, all.every((r, i) => r.n === i + 1)];
  }),
  wide_value: () => using(async (db) => {
    const [row] = await rows(db, sql`select ${c.WIDE_TEXT}::text as back, md5(${c.WIDE_TEXT}) as d`);
    return [row.back === c.WIDE_TEXT, row.d];
  }),
  prepared: () => using(async (db) => {
    const named = db.select({ id: users.id, name: users.name }).from(users)
      .where(eq(users.id, sql.placeholder("id"))).prepare("user_by_id");
    const out = [];
    for (let id = 1; id <= 12; id++) out.push(await named.execute({ id }));
    return [out, await Promise.all([3, 4, 5].map((id) => named.execute({ id })))];
  }),
  pipeline: () => using(async (db) => Promise.all(Array.from({ length: 50 }, (_, i) =>
    db.select({ n: count() }).from(contacts).where(eq(contacts.organizationId, i + 1))))),
  pipeline_error: () => using(async (db) => Promise.all([1, 0, 2].map((n) =>
    failure(rows(db, sql`select 10 / ${n}::int`))))),
  errors: () => using(async (db) => {
    await db.execute(sql`create table strict (n int primary key check (n > 0), t text not null)`);
    await db.execute(strict(1, "a"));
    const out = [];
    for (const statement of [sql`selekt 1`, sql`select * from no_such_table`,
                             sql`select ${"no number"}::int`, strict(1, "b"), strict(-1, "b"),
                             strict(2, null)]) {
      out.push(await failure(db.execute(statement)));
    }
    out.push(await failure(db.insert(contacts).values({
      organizationId: 999_999_999, firstName: "No", lastName: "One" })));
    return [...out, await rows(db, sql`select count(*) from strict`)];
  }),
  transaction: () => using(async (db) => {
    const undone = await failure(db.transaction(async (tx) => {
      await tx.update(users).set({ name: "Nobody" }).where(eq(users.id, 9));
      tx.rollback();
    }));
    await db.transaction((tx) => tx.update(users).set({ name: "Somebody" }).where(eq(users.id, 10)));
    return [undone, await db.select().from(users).where(inArray(users.id, [9, 10])).orderBy(users.id)];
  }),
  savepoints: () => using((db) => db.transaction(async (tx) => {
    const bad = await failure(tx.transaction((inner) => inner.execute(sql`select 1 / 0`)));
    await tx.transaction((inner) => inner.update(users).set({ active: false }).where(eq(users.id, 11)));
    return [bad, await tx.select().from(users).where(eq(users.id, 11))];
  })),
  isolation: () => using(async (db) => {
    const out = [];
    for (const isolationLevel of c.LEVELS) {
      out.push(await db.transaction((tx) => rows(tx, sql`show transaction_isolation`),
                                    { isolationLevel, accessMode: "read only", deferrable: true }));
      out.push(await failure(db.transaction((tx) => tx.delete(users),
                                            { isolationLevel, accessMode: "read only" })));
    }
    return [...out, await rows(db, sql`show transaction_isolation`)];
  }),
  statement_timeout: () => using((db) => db.transaction(async (tx) => {
    const late = await failure(tx.transaction(async (inner) => {
      await inner.execute(sql`set local statement_timeout = 100`);
      await inner.execute(sql`select pg_sleep(20)`);
    }));
    return [late, await rows(tx, sql`select 1 as one`)];
  })),
  unicode: () => using((db) => rows(db, sql`select ${c.UNICODE.value}::text as
    ${sql.identifier(c.UNICODE.name)}, length(${c.UNICODE.value}) as n`)),
  many_parameters: () => using(async (db) => {
    const ids = Array.from({ length: 5000 }, (_, i) => i + 1);
    return db.select({ n: count(), all: sum(contacts.id) }).from(contacts)
      .where(inArray(contacts.organizationId, ids));
  }),
  counts: () => using(async (db) => db.transaction(async (tx) => {
    const added = await tx.insert(contacts).values([1, 2, 3].map((n) => ({
      organizationId: n, firstName: "New", lastName: `Contact ${n}` }))).returning({
      organizationId: contacts.organizationId, lastName: contacts.lastName });
    const changed = await tx.update(contacts).set({ phone: "1" }).where(eq(contacts.firstName, "New"));
    const gone = await tx.delete(contacts).where(eq(contacts.firstName, "New"));
    return [added, changed.rowCount, gone.rowCount];
  })),
  reconnect: async () => {
    const out = [];
    for (let i = 0; i < 20; i++) out.push(await using((db) => rows(db, sql`select ${i}::int as i`)));
    return out;
  },
  concurrent: () => using(async (db) => Promise.all(Array.from({ length: 8 }, (_, number) =>
    db.transaction(async (tx) => {
      await tx.execute(sql`select set_config('app.number', ${String(number)}, true)`);
      const seen = new Set();
      for (let i = 0; i < 25; i++) {
        seen.add((await rows(tx, sql`select current_setting('app.number') as n`))[0].n);
      }
      return [...seen];
    }))), 8),
  application: () => using(async (db) => [
    await db.select({ id: organizations.id, name: organizations.name }).from(organizations)
      .where(and(eq(organizations.segment, "FINE_DINING"), lte(organizations.priority, "B")))
      .orderBy(asc(organizations.id)).limit(20),
    await db.query.organizations.findMany({
      where: lte(organizations.id, 3), orderBy: asc(organizations.id),
      with: { owner: true, contacts: { orderBy: asc(contacts.id) } } }),
    await db.select({ segment: organizations.segment, n: count(), amount: sum(opportunities.amount) })
      .from(opportunities).innerJoin(organizations, eq(organizations.id, opportunities.organizationId))
      .groupBy(organizations.segment).orderBy(organizations.segment),
    await db.insert(users).values({ email: "new@pantry.example", name: "New" })
      .onConflictDoUpdate({ target: users.email, set: { name: "Again" } })
      .returning({ name: users.name, role: users.role })]),
};

await c.main(scenarios);
