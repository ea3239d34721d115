"""Canary passwords: in no log, in nothing that SHOW prints, in no dump of the configuration."""

import os
import subprocess

import pytest

from tests.auth.conftest import LOOKUP
from tests.auth.harness import core_strings
from tools import process, proxy as tools_proxy

CANARIES = {"ann": "canary-plain-4711", "bob": "canary-plain-4712"}
DATABASE_PASSWORD = "canary-database-4713"


@pytest.fixture
def noisy(make_proxy, roles):
    roles.sql("create role ann login password 'canary-plain-4711'")
    proxy = make_proxy(users={**{LOOKUP[0]: LOOKUP[1]}, **CANARIES}, verbose="3",
                       auth_user=LOOKUP[0], databases={
        "*": f"host=127.0.0.1 port={roles.port}",
        "keyed": f"host=127.0.0.1 port={roles.port} dbname=postgres user=ann "
                 f"password={DATABASE_PASSWORD}"})
    yield proxy
    proxy.stop()
    roles.sql("drop role ann")


def planted() -> list[str]:
    return [*CANARIES.values(), DATABASE_PASSWORD, LOOKUP[1], "scram-canary-51", "SCRAM-SHA-256$"]


def use(proxy) -> None:
    assert proxy.whoami("ann", CANARIES["ann"]) == "ann"
    assert proxy.whoami("scram_user", "scram-canary-51") == "scram_user"
    proxy.refusal("ann", "canary-wrong-4714")
    proxy.refusal("bob", CANARIES["bob"], "keyed")
    proxy.refusal("expired", "expired-canary")


@pytest.mark.parametrize("method", ["scram-sha-256", "plain", "md5"])
def test_log(noisy, method):
    noisy.settings["auth_type"] = method
    noisy.reload()
    use(noisy)
    text = noisy.log_text()
    assert [word for word in [*planted(), "canary-wrong-4714"] if word in text] == []


def test_show(noisy):
    use(noisy)
    with noisy.connect(*LOOKUP, "pgbouncer") as console:
        for what in ("config", "databases", "users", "pools", "clients", "servers", "sockets",
                     "active_sockets", "lists", "mem"):
            text = str(console.execute(f"show {what}").fetchall())
            assert [word for word in planted() if word in text] == [], what


def test_config_dump(noisy):
    for command in (["config", "show", "--config"], ["config", "check"]):
        done = subprocess.run([str(tools_proxy.program()), *command, str(noisy.file)],
                              capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
        assert text
        assert [word for word in planted() if word in text] == []


@pytest.mark.skipif(os.environ.get("HOWDAH_PRESET") in ("asan", "tsan"),
                    reason="a sanitizer's shadow memory makes the image terabytes long")
def test_what_a_client_sent_is_wiped(noisy, tmp_path):
    """A password sent in clear is not in memory any more once the login is over."""
    noisy.settings["auth_type"] = "plain"
    noisy.reload()
    sent = "canary-wrong-" + "9" * 40
    noisy.refusal("bob", sent)
    process.wait_until(lambda: "password authentication failed" in noisy.log_text(), 10, "a log")
    memory = core_strings(noisy.process.pid, tmp_path)
    assert CANARIES["ann"].encode() in memory  # the file's passwords are there: the search works
    assert sent.encode() not in memory
