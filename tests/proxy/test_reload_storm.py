"""RELOAD while something else is under way."""

import contextlib
import signal
import time

import psycopg

from tests.conftest import PASSWORD, USER
from tools import process, proxy


def test_reload_while_host_names_are_resolved(cluster, run_folder, new_database):
    """The addresses that are being looked up are replaced in the middle of it, again and again."""
    folder = run_folder / "proxy-reloaded"
    folder.mkdir()
    process.give_to_server_user(folder)
    hosts = ",".join(["localhost"] * 40)
    pooler = proxy.Proxy(folder, {USER: PASSWORD}, settings={"dns_max_ttl": "0"},
                         databases={"*": f"host={hosts} port={cluster.primary.port}"})
    database = new_database("reloaded")
    pooler.start()
    try:
        with psycopg.connect(pooler.uri(database), autocommit=True) as client:
            ends = time.monotonic() + 8  # names are followed once a second
            while time.monotonic() < ends and pooler.process.poll() is None:
                pooler.process.send_signal(signal.SIGHUP)
                with contextlib.suppress(psycopg.OperationalError):
                    assert client.execute("select 1").fetchone() == (1,)
        assert pooler.process.poll() is None, pooler.log_end(40)
    finally:
        pooler.stop()
