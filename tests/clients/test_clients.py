"""Real drivers, the same scenarios straight to PostgreSQL and through howdah: equal results."""

import json

import pytest

from tests.clients import harness
from tests.conftest import PASSWORD, USER, pool_modes
from tools import proxy

BEHIND = "pgbouncer" if proxy.program().name == "pgbouncer" else "howdah"
CASES = [(driver, mode, name) for driver in harness.DRIVERS for mode in pool_modes()
         for name in harness.scenarios(driver, BEHIND)]


@pytest.fixture(scope="module")
def outcomes(cluster, new_database, start_howdah):
    """outcomes(driver, how): what the driver printed there; each pair runs once, on a database
    of its own, with all its scenarios."""
    known = {}
    poolers = {mode: start_howdah(f"clients-{mode}", pool_mode=mode, default_pool_size="12",
                                  server_idle_timeout="5")
               for mode in pool_modes()}

    def get(driver: str, how: str) -> dict:
        if (driver, how) not in known:
            database = new_database(f"{driver}_{how}")
            uri = (cluster.primary.uri(USER, PASSWORD, database) if how == "direct"
                   else poolers[how].uri(database))
            known[driver, how] = harness.run(driver, uri, harness.scenarios(driver, BEHIND))
            if how != "direct" and poolers[how].process.poll() is not None:
                explain_death(poolers[how], driver, known[driver, how])
                poolers[how].start()
        return known[driver, how]
    return get


def explain_death(pooler: proxy.Proxy, driver: str, outcomes: dict) -> None:
    """The pooler died under this driver: every scenario that failed says so."""
    said = (f"{pooler.binary.name} ended with {pooler.process.returncode} while {driver} ran:\n"
            f"{pooler.log_end()}")
    for outcome in outcomes.values():
        if "error" in outcome:
            outcome["error"] = f"{said}\n{outcome['error']}"
    outcomes[list(outcomes)[-1]]["error"] = said  # at least one scenario fails of it


@pytest.mark.parametrize(("driver", "mode", "name"), CASES,
                         ids=[f"{d}-{m}-{n}" for d, m, n in CASES])
def test_same_result(outcomes, driver, mode, name):
    direct = normal(outcomes(driver, "direct")[name], f"{driver}_direct", name)
    assert "error" not in direct, f"the scenario itself is wrong: {direct['error']}"
    assert direct["result"] not in (None, [], {}, ""), "the scenario compares nothing"
    assert normal(outcomes(driver, mode)[name], f"{driver}_{mode}", name) == direct


def normal(outcome: dict, database: str, name: str) -> dict:
    """The database's own name is all that may differ. A login is refused by howdah itself, which
    has no PostgreSQL source function to name."""
    known = json.loads(json.dumps(outcome).replace(database, "DATABASE"))
    if name == "login_errors":
        for error in known.get("result") or []:
            isinstance(error, dict) and error.pop("routine", None)
    return known
