"""What a migration SETs: it counts for that migration wherever it is cut, names are looked up by it,
and the next one begins without it."""

import pytest

PATH = "set search_path to app;\n"
TWO_INDEXES = PATH + "create index concurrently first_idx on t (a);\n" \
                     "create unique index concurrently second_idx on t (b);\n"


@pytest.fixture
def two_schemas(sandbox):
    """The same names in two schemas: what means app's must not reach public's."""
    sandbox.sql("create schema app; create table app.t (a int, b int); create table t (a int, b int); "
                "insert into app.t select n, n from generate_series(1, 100) n; "
                "insert into t select n, n from generate_series(1, 100) n")
    return sandbox


def indexes(box) -> str:
    return box.sql("select string_agg(schemaname || '.' || indexname, ' ' order by 1) "
                   "from pg_indexes where indexname like '%_idx'")


def test_a_rerun_means_the_same_tables(two_schemas):
    box = two_schemas
    box.write("migrations/1_index.sql", TWO_INDEXES)
    box.sql("insert into app.t values (1, 1)")
    assert "second_idx" in box.up(status=1).stderr
    box.sql("delete from app.t where ctid = (select max(ctid) from app.t)")
    box.up()
    assert indexes(box) == "app.first_idx app.second_idx"


def test_the_next_migration_begins_without_it(two_schemas):
    box = two_schemas
    box.write("migrations/1_path.sql", PATH + "alter table t add column c int;\n")
    box.write("migrations/2_plain.sql", "alter table t add column d int;\n")
    box.up()
    assert box.sql("select string_agg(table_schema || '.' || column_name, ' ' order by 1) from "
                   "information_schema.columns where column_name in ('c', 'd')") == "app.c public.d"


def test_validation_looks_where_the_file_says(two_schemas):
    box = two_schemas
    box.write("migrations/1_new.sql", PATH + "create table made (a int);\n"
                                             "create index made_idx on made (a);\n")
    box.write("migrations/2_config.sql", "select pg_catalog.set_config('search_path', 'app', false);\n"
                                         "create table second (a int);\n")
    done = box.json("migrate", "up")
    assert [f["rule"] for f in done["findings"]] == []
    assert box.sql("select to_regclass('app.made'), to_regclass('app.second')") == "app.made|app.second"


def test_a_down_that_destroys_is_seen_behind_a_search_path(two_schemas):
    box = two_schemas
    box.write("migrations/1_t.up.sql", PATH + "create table only_here (a int);\n")
    box.write("migrations/1_t.down.sql", PATH + "drop table only_here;\n")
    box.up()
    box.sql("insert into app.only_here values (1)")
    refused = box.run("migrate", "down", status=1)
    assert "holds rows" in refused.stderr
    assert box.sql("select count(*) from app.only_here") == "1"


def test_an_inverse_reaches_no_other_schema(two_schemas):
    box = two_schemas
    box.sql("create table made (a int)")
    box.write("migrations/1_new.sql", PATH + "create table made (a int);\n")
    box.up()
    box.run("migrate", "down")
    assert box.sql("select to_regclass('public.made'), to_regclass('app.made')") == "made|"
    box.write("migrations/1_new.sql", "set search_path to app, public;\ncreate table made (a int);\n")
    box.up()
    refused = box.run("migrate", "down", status=2)
    assert "cannot tell how to undo" in refused.stderr


def test_a_block_that_commits_is_not_run_twice(sandbox):
    """DO with COMMIT, cut by a deadlock behind its COMMIT: the part before has happened."""
    box = sandbox
    box.sql("create table c (n int); insert into c values (0); create table a (x int); "
            "insert into a values (1)")
    box.write("migrations/1_block.sql",
              "-- howdah:no-transaction\ndo $$ begin update c set n = n + 1; commit; "
              "raise exception sqlstate '40P01' using message = 'deadlock detected'; end $$;\n")
    failed = box.up(status=1)
    assert "deadlock detected" in failed.stderr
    assert box.sql("select n from c") == "1"
    again = box.up(status=1)
    assert "whether this has run is not known" in again.stderr
    assert box.sql("select n from c") == "1"
