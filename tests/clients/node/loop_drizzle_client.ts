// Requests as Drizzle makes them: `joined` with relations, `loop` and `parallel` one by one.
import { asc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import * as schema from "../../../examples/pantrycrm/drizzle/schema";

const { contacts, organizations } = schema;
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL!, max: 4 });
const db = drizzle(pool, { schema });

const parents = () => db.select().from(organizations).orderBy(asc(organizations.id)).limit(12);
const children = (id: number) => db.select().from(contacts).where(eq(contacts.organizationId, id));
const requests: Record<string, () => Promise<unknown>> = {
  joined: () => db.query.organizations.findMany({ limit: 12, with: { contacts: true } }),
  loop: async () => {
    for (const parent of await parents()) await children(parent.id);
  },
  parallel: async () => Promise.all((await parents()).map((parent) => children(parent.id))),
};

for (let i = 0; i < 5; i++) {
  await requests[process.argv[2]]();
  await new Promise((done) => setTimeout(done, 150)); // the next request
}
await pool.end();
