"""The demo's load is wrong in three ways, on purpose: all three are found within a minute."""

import signal
from pathlib import Path

import pytest

from tests.observe.test_http import running, server_of
from tools import process, proxy
from tools.shell import ROOT

LOAD = ROOT / "examples" / "pantrycrm" / "load.py"
# What must be found, and a word of the statement that it is about.
WRONG = {"n-plus-one": "from opportunities", "missing-index": "contact_id",
         "unbounded-result": "from contacts"}

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no insight")


def test_what_the_demo_does_wrong_is_found_within_a_minute(run_folder, cluster, new_database):
    database = new_database("demo_load")
    with running(Path(run_folder) / "demo-load", {database: server_of(cluster)},
                 pool_mode="transaction", default_pool_size="10") as one:
        load = process.spawn(["/usr/bin/python3", "-B", LOAD, "--rate", 40,
                              "--uri", one.proxy.uri(database)],
                             Path(run_folder) / "demo-load" / "load.log", keep_user=True)
        try:
            def missed() -> dict:
                found = one.get("/api/findings?limit=500").json()["findings"]
                return {rule: word for rule, word in WRONG.items()
                        if not any(each["rule"] == rule and word in each["message"]
                                   for each in found)}
            process.wait_until(lambda: not missed(), 60, f"finding: {missed()}", step=0.5)
            [loop] = one.get("/api/findings?rule=n-plus-one").json()["findings"]
            assert loop["confidence"] == "certain" and loop["routes"] == ["/pipeline"]
            assert "pantrycrm-web" in loop["applications"] and loop["ms_a_day"] > 0
        finally:
            process.stop(load, signal.SIGTERM, 8)
