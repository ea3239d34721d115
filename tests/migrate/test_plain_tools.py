"""dbmate, golang-migrate, goose and Flyway: folders and tables as theirs. dbmate itself comes from
npm and runs before and after howdah; the other three are held to their documented tables."""

import subprocess
import zlib

import pytest

from tests.migrate.harness import npm_place
from tools import process
from tools.pgcluster import SUPERUSER

UP, DOWN = "create table t{0} (id int);\n", "drop table t{0};\n"


def dbmate_file(number: int) -> tuple[str, str]:
    return (f"db/migrations/2024010{number}000000_m.sql",
            f"-- migrate:up\n{UP.format(number)}\n-- migrate:down\n{DOWN.format(number)}")


def run_dbmate(box, *arguments) -> str:
    url = f"postgres://{SUPERUSER}:x@127.0.0.1:{box.server.port}/{box.name}?sslmode=disable"
    done = subprocess.run([npm_place("dbmate") / "node_modules/@dbmate/linux-x64/bin/dbmate",
                           "--no-dump-schema", "--url", url, *arguments], cwd=box.folder, text=True,
                          capture_output=True, timeout=60, env=process.clean_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dbmate_both_directions(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    sandbox.write(*dbmate_file(1))
    run_dbmate(sandbox, "up")
    table = sandbox.dump()
    assert "0 migrations applied" in sandbox.up().stdout
    sandbox.write(*dbmate_file(2))
    sandbox.up()
    sandbox.write(*dbmate_file(3))
    run_dbmate(sandbox, "up")
    status = sandbox.json("migrate", "status")
    assert (status["tool"], status["applied"], status["pending"]) == ("dbmate", 3, 0)
    sandbox.run("migrate", "down")
    assert "Pending: 1" in run_dbmate(sandbox, "status")
    sandbox.run("migrate", "down")
    assert sandbox.dump() == table


def test_dbmate_table_is_the_same(sandbox):
    sandbox.server.sql(f"alter role {SUPERUSER} password 'x'")
    sandbox.write(*dbmate_file(1))
    run_dbmate(sandbox, "up")
    theirs = sandbox.dump(data=True)
    sandbox.recreate()
    sandbox.up()
    assert sandbox.dump(data=True) == theirs


def test_golang_migrate(sandbox):
    for number in (1, 2):
        sandbox.write(f"migrations/{number:04}_m.up.sql", UP.format(number))
        sandbox.write(f"migrations/{number:04}_m.down.sql", DOWN.format(number))
    sandbox.up()
    table = "select version, dirty from schema_migrations"
    assert sandbox.sql(table) == "2|f"
    sandbox.run("migrate", "down")
    assert sandbox.sql(table) == "1|f"
    sandbox.sql("update schema_migrations set version = 2, dirty = true")
    assert "golang-migrate dirty" in sandbox.up(status=1).stdout
    sandbox.run("migrate", "repair", "--rolled-back", "0002_m")
    assert sandbox.sql(table) == "1|f"
    sandbox.up()
    assert sandbox.sql(table) == "2|f"


def test_golang_migrate_lock(sandbox):
    """Its driver: CRC-32 of "schema\\0table\\0database" times a salt, 32 bits."""
    sandbox.write("migrations/1_m.up.sql", UP.format(1) + "select pg_sleep(20);\n")
    name = f"public\0schema_migrations\0{sandbox.name}".encode()
    key = zlib.crc32(name) * 1486364155 % 2 ** 32
    running = sandbox.start("migrate", "up")
    process.wait_until(lambda: sandbox.sql(
        f"select count(*) from pg_locks where locktype = 'advisory' and objid = {key}") == "1", 15,
        "its lock")
    running.terminate()
    running.communicate(timeout=20)


def test_goose(sandbox):
    for number in (1, 2):
        sandbox.write(f"migrations/{number:05}_m.sql", f"-- +goose Up\n{UP.format(number)}"
                      f"-- +goose Down\n{DOWN.format(number)}")
    sandbox.write("migrations/00003_c.sql", "-- +goose NO TRANSACTION\n-- +goose Up\n"
                  "create index concurrently i on t1 (id);\n-- +goose Down\n"
                  "drop index concurrently i;\n")
    sandbox.up()
    rows = "select string_agg(version_id || ' ' || is_applied, ',' order by id) from goose_db_version"
    assert sandbox.sql(rows) == "0 true,1 true,2 true,3 true"
    sandbox.run("migrate", "down", "--count", "2")
    assert sandbox.sql(rows) == "0 true,1 true"
    assert sandbox.json("migrate", "status")["pending"] == 2


def test_flyway(sandbox):
    text = "create table t1 (id int);\r\ncreate table t2 (id int);\n"
    sandbox.write("db/migration/V1.2__add_users.sql", text)
    sandbox.up("db/migration")
    crc = zlib.crc32("".join(text.splitlines()).encode())
    signed = crc - 2 ** 32 if crc >= 2 ** 31 else crc
    assert sandbox.sql("select installed_rank, version, description, type, script, checksum, "
                       "success from flyway_schema_history") == \
        f"1|1.2|add users|SQL|V1.2__add_users.sql|{signed}|t"
    sandbox.write("db/migration/V1.2__add_users.sql", text + "-- edited\n")
    assert sandbox.json("migrate", "status", "db/migration")["migrations"][0]["edited"]


@pytest.mark.parametrize("folder", ["migrations"])
def test_plain(sandbox, folder):
    for number in (1, 2, 10):
        sandbox.write(f"{folder}/{number}_m.sql", UP.format(number))
    sandbox.up("--to", "2_m")
    assert sandbox.sql("select string_agg(name, ',' order by applied_at) from howdah.migrations") == \
        "1_m,2_m"
    sandbox.up()
    sandbox.run("migrate", "down", "--to", "1_m")
    assert sandbox.sql("select string_agg(name, ',') from howdah.migrations") == "1_m"
