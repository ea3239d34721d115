"""The comparison can fail: PgBouncer's transaction mode loses session state, and we notice."""

import pytest

from tests.clients import harness
from tests.clients.test_clients import normal
from tests.conftest import PASSWORD, USER
from tools import proxy


@pytest.fixture(scope="module")
def both(cluster, new_database, run_folder):
    """Results of two scenarios straight and through a pooler that shares what it must not."""
    names = ["advisory_lock", "application"]
    folder = run_folder / "proxy-canary"
    folder.mkdir()
    pooler = proxy.Proxy(folder, {USER: PASSWORD}, binary=proxy.PGBOUNCER,
                         settings={"pool_mode": "transaction"},
                         databases={"*": f"host=127.0.0.1 port={cluster.primary.port}"})
    pooler.start()
    direct = harness.run("psycopg", cluster.primary.uri(USER, PASSWORD, new_database("canary_a")),
                         names)
    through = harness.run("psycopg", pooler.uri(new_database("canary_b")), names)
    pooler.stop()
    return ({n: normal(direct[n], "canary_a", n) for n in names},
            {n: normal(through[n], "canary_b", n) for n in names})


def test_shared_session_state_is_noticed(both):
    direct, through = both
    assert "error" not in direct["advisory_lock"]
    assert direct["advisory_lock"] != through["advisory_lock"]


def test_what_needs_no_session_state_is_equal(both):
    direct, through = both
    assert direct["application"] == through["application"]


def test_every_scenario_names_its_drivers():
    for driver in harness.DRIVERS:
        assert len(harness.scenarios(driver, "howdah")) >= 6
