// The scenarios with Prisma over its adapter for node-postgres, on PantryCRM's schema.
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "@prisma/client";
import * as c from "./common";

async function using<T>(work: (db: PrismaClient) => Promise<T>, max = 2): Promise<T> {
  const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: c.URI, max }),
                                log: [], errorFormat: "minimal" });
  try {
    return await work(db);
  } finally {
    await db.$disconnect();
  }
}

// Prisma's own code and message, and the server's SQLSTATE where it passes it on.
async function failure(action: Promise<unknown>) {
  try {
    await action;
    return "no error";
  } catch (error: any) {
    return { code: error.code ?? null, name: error.name, meta: c.plain(error.meta ?? null),
             message: String(error.message).trim().split("\n").pop() };
  }
}

const { sql, raw, join } = Prisma;
const scenarios: c.Scenarios = {
  types: () => using(async (db) => [
    await db.organization.findMany({ orderBy: { id: "asc" }, take: 3 }),
    await db.opportunity.findMany({ orderBy: { id: "asc" }, take: 3 }),
    await db.$queryRaw(raw(c.ALL_TYPES))]),
  nulls: () => using(async (db) => [
    await db.$queryRaw`select ${null}::int as i, ${null}::text as t, null as n`,
    await db.contact.count({ where: { email: null } })]),
  arrays: () => using(async (db) => {
    await db.organization.update({ where: { id: 5 }, data: { tags: ["a,b", 'c"d', "e\\f", "", "NULL"] } });
    return db.organization.findMany({ where: { tags: { has: "a,b" } }, select: { id: true, tags: true } });
  }),
  json: () => using(async (db) => {
    await db.organization.update({ where: { id: 6 }, data: { details: c.JSON_VALUE } });
    return db.organization.findMany({ where: { details: { path: ["nested", "b"], equals: [] } },
                                      select: { id: true, details: true } });
  }),
  bytea: () => using((db) => db.$queryRaw`select ${c.EVERY_BYTE}::bytea as every,
    md5(${c.LONG_BYTES}::bytea) as digest`),
  big_result: () => using(async (db) => {
    const all: any[] = await db.$queryRaw`select n from generate_series(1, 100000) n`;
    return [all.length, all.every((r, i) => r.n === i + 1)];
  }),
  wide_value: () => using(async (db) => {
    const [row]: any[] = await db.$queryRaw`select ${c.WIDE_TEXT}::text as back, md5(${c.WIDE_TEXT}) as d`;
    return [row.back === c.WIDE_TEXT, row.d];
  }),
  prepared: () => using(async (db) => {
    const out = [];
    for (let id = 1; id <= 12; id++) out.push(await db.user.findUnique({ where: { id } }));
    return out;
  }),
  pipeline: () => using((db) => db.$transaction([
    db.user.count(), db.organization.count({ where: { priority: "A" } }),
    db.contact.findFirst({ orderBy: { id: "desc" } }), db.$queryRaw`select 1 as one`])),
  pipeline_error: () => using(async (db) => [
    await failure(db.$transaction([
      db.user.update({ where: { id: 9 }, data: { name: "Gone" } }), db.$queryRaw`select 1 / 0`])),
    await db.user.findUnique({ where: { id: 9 } })]),
  errors: () => using(async (db) => [
    await failure(db.$queryRaw`selekt 1`), await failure(db.$queryRaw`select * from no_such_table`),
    await failure(db.$queryRaw`select ${"no number"}::int`),
    await failure(db.user.create({ data: { email: "user1@pantry.example", name: "Twice" } })),
    await failure(db.contact.create({ data: { organizationId: 999_999_999, firstName: "N", lastName: "O" } })),
    await failure(db.organization.update({ where: { id: 1 }, data: { annualVolume: -1 } })),
    await failure(db.user.delete({ where: { id: 1 } })),
    await failure(db.user.findUniqueOrThrow({ where: { id: 999_999_999 } })),
    await db.user.count()]),
  transaction: () => using(async (db) => {
    const undone = await failure(db.$transaction(async (tx) => {
      await tx.user.update({ where: { id: 12 }, data: { name: "Nobody" } });
      throw new Error("undone");
    }));
    await db.$transaction((tx) => tx.user.update({ where: { id: 13 }, data: { name: "Somebody" } }));
    return [undone, await db.user.findMany({ where: { id: { in: [12, 13] } }, orderBy: { id: "asc" } })];
  }),
  savepoints: () => using((db) => db.$transaction(async (tx) => {
    await tx.$executeRaw`savepoint a`;
    const bad = await failure(tx.$executeRaw`select 1 / 0`);
    await tx.$executeRaw`rollback to savepoint a`;
    await tx.user.update({ where: { id: 14 }, data: { active: false } });
    await tx.$executeRaw`release savepoint a`;
    return [bad, await tx.user.findUnique({ where: { id: 14 } })];
  })),
  isolation: () => using(async (db) => {
    const out = [];
    for (const isolationLevel of ["ReadCommitted", "RepeatableRead", "Serializable"] as const) {
      out.push(await db.$transaction((tx) => tx.$queryRaw`show transaction_isolation`, { isolationLevel }));
    }
    return [...out, await db.$queryRaw`show transaction_isolation`];
  }),
  statement_timeout: () => using(async (db) => [
    await failure(db.$transaction(async (tx) => {
      await tx.$executeRaw`set local statement_timeout = 100`;
      await tx.$queryRaw`select pg_sleep(20)::text`;
    })), await db.$queryRaw`select 1 as one`]),
  unicode: () => using(async (db) => {
    await db.user.update({ where: { id: 15 }, data: { name: c.UNICODE.value } });
    return [await db.user.findMany({ where: { name: { contains: "\u{1f418}" } } }),
            await db.$queryRaw(raw(`select 1 as "${c.UNICODE.name}"`))];
  }),
  many_parameters: () => using(async (db) => [
    await db.contact.aggregate({ _sum: { id: true }, _count: true, where: {
      organizationId: { in: Array.from({ length: 5000 }, (_, i) => i + 1) } } }),
    await db.$queryRaw(sql`select count(*) from users where id in (${join([1, 2, 3])})`)]),
  counts: () => using((db) => db.$transaction(async (tx) => {
    const added = await tx.contact.createMany({ data: [1, 2, 3].map((n) => ({
      organizationId: n, firstName: "New", lastName: `Contact ${n}` })) });
    const changed = await tx.contact.updateMany({ where: { firstName: "New" }, data: { phone: "1" } });
    const raw_ = await tx.$executeRaw`update contacts set phone = '2' where first_name = 'New'`;
    return [added, changed, raw_, await tx.contact.deleteMany({ where: { firstName: "New" } })];
  })),
  reconnect: async () => {
    const out = [];
    for (let i = 0; i < 20; i++) out.push(await using((db) => db.$queryRaw`select ${i}::int as i`));
    return out;
  },
  concurrent: () => using(async (db) => Promise.all(Array.from({ length: 8 }, (_, number) =>
    db.$transaction(async (tx) => {
      await tx.$queryRaw`select set_config('app.number', ${String(number)}, true)`;
      const seen = new Set();
      for (let i = 0; i < 25; i++) {
        const [row]: any[] = await tx.$queryRaw`select current_setting('app.number') as n`;
        seen.add(row.n);
      }
      return [...seen];
    }, { timeout: 30_000, maxWait: 30_000 }))), 8),
  application: () => using(async (db) => [
    await db.organization.findMany({ where: { segment: "FINE_DINING", priority: { in: ["A", "B"] } },
                                     orderBy: { id: "asc" }, take: 20 }),
    await db.organization.findMany({ where: { id: { lte: 3 } }, orderBy: { id: "asc" },
      include: { owner: true, contacts: { orderBy: { id: "asc" } },
                 _count: { select: { interactions: true } } } }),
    await db.opportunity.groupBy({ by: ["stage"], _sum: { amount: true }, _count: true,
                                   orderBy: { stage: "asc" } }),
    await db.user.upsert({ where: { email: "new@pantry.example" }, update: { name: "Again" },
                           create: { email: "new@pantry.example", name: "New" },
                           select: { name: true, role: true } }),
    await db.organization.update({ where: { id: 8 }, select: { city: true, _count: { select: { contacts: true } } },
      data: { city: "Faro", contacts: { create: [{ firstName: "Nested", lastName: "Write" }] } } })]),
};

await c.main(scenarios);
