// Requests as Prisma makes them: `joined` with include, `loop` and `parallel` one by one.
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient } from "@prisma/client";

const connectionString = process.env.DATABASE_URL!;
const db = new PrismaClient({ adapter: new PrismaPg({ connectionString, max: 4 }) });

const parents = () => db.organization.findMany({ take: 12, orderBy: { id: "asc" } });
const children = (organizationId: bigint) => db.contact.findMany({ where: { organizationId } });
const requests: Record<string, () => Promise<unknown>> = {
  joined: () => db.organization.findMany({ take: 12, include: { contacts: true } }),
  loop: async () => {
    for (const parent of await parents()) await children(parent.id);
  },
  parallel: async () => Promise.all((await parents()).map((parent) => children(parent.id))),
};

for (let i = 0; i < 5; i++) {
  await requests[process.argv[2]]();
  await new Promise((done) => setTimeout(done, 150)); // the next request
}
await db.$disconnect();
