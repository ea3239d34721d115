"""What may change an answer: tables behind views, other databases, what nobody sees."""

from pathlib import Path

import pytest

from tests.conftest import USER
from tests.observe.test_http import running, server_of
from tools import process, proxy
from tools.pgcluster import SUPERUSER

PATIENCE = 45
CALLS = 120
WRITES = 40
FIRST, SECOND, ALIAS = "cached_one", "cached_two", "cached_one_for_readers"

# Each read takes milliseconds: it is worth a cache.
SCHEMA = f"""
create table prices as select n as id, n as price from generate_series(1, 60000) n;
create table rates as select * from prices;
create table stock as select * from prices;
create table moods as select * from prices;
create table years (id int, price int) partition by range (id);
create table year_one partition of years for values from (1) to (60001);
insert into years select * from prices;
create table secrets as select * from prices;
alter table secrets enable row level security;
create policy all_of_them on secrets using (true);
create view price_list as select * from prices;
create view offers as select * from price_list where id > 0;
create view rate_list as select * from rates;
create view noisy as select *, random() as noise from moods;
create extension postgres_fdw;
create server elsewhere foreign data wrapper postgres_fdw options (host '127.0.0.1');
create foreign table remote_prices (id int, price int) server elsewhere;
create view far_list as select p.* from moods p where false union all select * from remote_prices
    where false;
analyze;
grant select, update on all tables in schema public to {USER};
"""

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


@pytest.fixture(scope="module")
def databases(cluster, new_database):
    for name in (FIRST, SECOND):
        new_database(name)
        cluster.primary.sql(SCHEMA, name)


def started(folder: Path, cluster, **settings: str):
    server = server_of(cluster)
    return running(folder, {FIRST: server, SECOND: server, ALIAS: f"{server} dbname={FIRST}"},
                   pool_mode="transaction", stats_users=USER, **settings)


def read(watched, table: str, database: str = FIRST) -> None:
    """A statement that is not the one of another table in another database."""
    with watched.connect(database, application_name="reader") as connection:
        for number in range(CALLS):
            connection.execute(f"select count(price) from {table} where id %% 7 = %s", [number % 3])


def write(watched, table: str, database: str = FIRST) -> None:
    with watched.connect(database, application_name="writer") as connection:
        for number in range(WRITES):
            connection.execute(f"update {table} set price = price where id = %s", [number + 1])


def found(watched) -> dict[str, dict]:
    """By the table that is read."""
    findings = watched.get("/api/findings?rule=cache-opportunity").json()["findings"]
    return {one["message"].split(" from ")[1].split()[0]: one for one in findings}


def test_what_is_written_is_found_behind_names(databases, run_folder, cluster):
    explain = f"host={cluster.sockets} port={cluster.primary.port} user={SUPERUSER}"
    with started(Path(run_folder) / "cached", cluster, slow_query_explain=explain) as watched:
        read(watched, "offers")         # a view of a view of what is written
        read(watched, "year_one")       # written by its parent's name
        read(watched, "noisy")          # answers differ by themselves
        read(watched, "far_list")       # reads what is on another server
        read(watched, "secrets")        # who asks decides
        read(watched, "stock", ALIAS)   # written under another name of the database
        read(watched, "rate_list")      # written in another database only
        for table in ("prices", "years", "stock"):
            write(watched, table)
        write(watched, "rates", SECOND)
        process.wait_until(lambda: "rate_list" in found(watched), PATIENCE, "cache-opportunity")
        # Questions are answered in their order: with the next one's answer theirs have come.
        read(watched, "moods")
        process.wait_until(lambda: "moods" in found(watched), PATIENCE, "cache-opportunity")
        assert found(watched).keys() == {"rate_list", "moods"}
        one = found(watched)["rate_list"]
        assert one["confidence"] == "certain" and "0 writes to its tables" in one["evidence"]


def test_without_the_catalog_each_write_to_the_database_counts(databases, run_folder, cluster):
    with started(Path(run_folder) / "uncached", cluster) as watched:
        read(watched, "price_list")
        read(watched, "rate_list", SECOND)
        write(watched, "prices")
        process.wait_until(lambda: "rate_list" in found(watched), PATIENCE, "cache-opportunity")
        process.wait_until(lambda: sum(row["calls"] for row in watched.queries("update")) == WRITES,
                           PATIENCE, "statistics")
        assert found(watched).keys() == {"rate_list"}
        [one] = found(watched).values()
        assert one["confidence"] == "likely" and "0 writes to its database" in one["evidence"]
