"""Names of servers: several hosts, several addresses, none."""

import time

from tests.auth.conftest import LOOKUP
from tools import process


def test_next_host_at_once(make_proxy, roles):
    """One host of several cannot be found: nobody waits for server_login_retry."""
    for balance in ("disable", "round-robin"):
        proxy = make_proxy(server_login_retry="60", client_login_timeout="20", databases={
            "*": f"host=no-such-host.invalid,127.0.0.1 port={roles.port} "
                 f"load_balance_hosts={balance}"})
        began = time.monotonic()
        for _ in range(3):
            assert proxy.whoami(*LOOKUP) == LOOKUP[0]
        assert time.monotonic() - began < 15
        assert "server DNS lookup failed" in proxy.log_text()
        proxy.stop()
        proxy.folder.joinpath("proxy.log").unlink()


def test_addresses_of_a_name(make_proxy, roles):
    """localhost may be ::1 first, and the server listens on 127.0.0.1 only."""
    proxy = make_proxy(databases={"*": f"host=localhost port={roles.port}"}, pool_mode="transaction",
                       server_idle_timeout="1", server_login_retry="60")
    for _ in range(4):
        assert proxy.whoami(*LOOKUP) == LOOKUP[0]
    assert "127.0.0.1" in proxy.log_text()


def test_unknown_host(make_proxy, roles):
    proxy = make_proxy(databases={"*": f"host=no-such-host.invalid port={roles.port}"},
                       client_login_timeout="2")
    assert "client_login_timeout" in proxy.refusal(*LOOKUP)
    process.wait_until(lambda: "closing because: server DNS lookup failed" in proxy.log_text(),
                       10, "a line of the log: " + proxy.log_text()[-1500:])
