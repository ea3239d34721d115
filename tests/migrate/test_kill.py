"""howdah migrate up, killed with -9 at each message that it sends, and run again: the database ends
as if nothing had happened, and the host tool's table holds each migration once."""

import pytest

from tests.migrate.wire_tap import Tap

FIRST = "create table users (id serial primary key, email text);\n" \
        "insert into users (email) select 'u' || n from generate_series(1, 50) n;\n"
SECOND = "alter table users add column nick text;\n" \
         "create index concurrently users_email_idx on users (email);\n" \
         "insert into users (email) values ('once');\n" \
         "-- howdah:backfill batch=20 pause_ms=0\n" \
         "update users set nick = coalesce(nick, '') || 'x' where email <> 'once';\n" \
         "drop index concurrently if exists users_email_idx;\n" \
         "create unique index concurrently users_email_key on users (email);\n"


def write_prisma(box):
    box.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
    box.write("prisma/migrations/20240101000000_a/migration.sql", FIRST)
    box.write("prisma/migrations/20240102000000_b/migration.sql", SECOND)


def write_drizzle(box):
    box.write("drizzle/0000_a.sql", FIRST)
    box.write("drizzle/0001_b.sql", SECOND)
    box.write("drizzle/meta/_journal.json", '{"version": "7", "dialect": "postgresql", "entries": ['
              '{"idx": 0, "version": "7", "when": 1000, "tag": "0000_a", "breakpoints": true},'
              '{"idx": 1, "version": "7", "when": 2000, "tag": "0001_b", "breakpoints": true}]}')


HISTORY = {
    write_prisma: "select string_agg(migration_name || (finished_at is not null)::text, ',' order by"
                  " migration_name) from _prisma_migrations where rolled_back_at is null",
    write_drizzle: "select string_agg(created_at::text, ',' order by id) from "
                   "drizzle.__drizzle_migrations",
}
DATA = "select count(*), count(*) filter (where email = 'once'), min(nick), max(nick) from users"


# Every message once; for the other combinations every third, from another start each.
@pytest.mark.parametrize("write, after, first, step", [
    (write_prisma, False, 1, 1), (write_prisma, True, 2, 3), (write_drizzle, False, 3, 3)],
    ids=["prisma-before", "prisma-after", "drizzle-before"])
def test_killed_at_every_message(sandbox, cluster, write, after, first, step):
    write(sandbox)
    tap = Tap(f"{cluster.sockets}/.s.PGSQL.{sandbox.server.port}")
    uri = f"postgresql://postgres@127.0.0.1:{tap.port}/{sandbox.name}?sslmode=disable"
    tap.arm(0, False)
    sandbox.up("--wait", "30", uri=uri)
    messages = tap.seen
    expected = (sandbox.dump(), sandbox.sql(HISTORY[write]), sandbox.sql(DATA))
    assert expected[2] == "51|1|x|x" and messages > 40
    for number in range(first, messages + 1, step):
        sandbox.recreate()
        tap.arm(number, after)
        process = sandbox.start("migrate", "up", "--wait", "30", uri=uri)
        tap.pid = process.pid
        process.communicate(timeout=120)
        tap.arm(0, False)
        sandbox.up("--wait", "30")
        found = (sandbox.dump(), sandbox.sql(HISTORY[write]), sandbox.sql(DATA))
        assert found == expected, f"killed {'after' if after else 'before'} message {number}"
        assert sandbox.sql("select count(*) from howdah.migration_step") == "0"
        assert sandbox.sql("select count(*) from pg_index where not indisvalid") == "0"
    tap.close()
