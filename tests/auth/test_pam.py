"""auth_type pam, and the method pam in rules: services of the tests' own, by pam_wrapper."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.auth.conftest import LOOKUP
from tests.auth.harness import answer_to_empty_password
from tools import process

LIBRARIES = Path(f"/usr/lib/{os.uname().machine}-linux-gnu")
MATRIX = LIBRARIES / "pam_wrapper" / "pam_matrix.so"
ANN, CARL, EVE = ("pam_ann", "canary-pam-1"), ("pam_carl", "canary-pam-2"), ("pam_eve", "canary-pam-3")
FAILED = "PAM authentication failed"


@pytest.fixture(scope="module")
def pam_roles(roles):
    for name, password in (ANN, CARL, EVE):
        roles.sql(f"create role {name} login password '{password}'")
    yield roles
    for name, _ in (ANN, CARL, EVE):
        roles.sql(f"drop role {name}")


class Services:
    def __init__(self, proxy, folder: Path):
        self.proxy = proxy
        self.folder = folder / "services"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        # Accounts are of one service each: elsewhere Eve's password is right, and she may not come.
        proxy.write("people", f"{ANN[0]}:{ANN[1]}:pgbouncer\n{CARL[0]}:{CARL[1]}:shop\n"
                              f"{EVE[0]}:{EVE[1]}:delays\n")
        for service in ("pgbouncer", "howdah", "shop"):
            self.write(service)
        self.write("talks", "verbose")
        self.write("asks", "echo")
        self.write("delays", before="auth optional pam_faildelay.so delay=4000000\n")

    def write(self, service: str, options: str = "", before: str = "") -> None:
        line = f"required {MATRIX} passdb={self.proxy.folder / 'people'} {options}"
        path = self.folder / service
        path.write_text(f"{before}auth {line}\naccount {line}\n")
        path.chmod(0o644)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(LIBRARIES / "libpam_wrapper.so"), "PAM_WRAPPER": "1",
                "PAM_WRAPPER_SERVICE_DIR": str(self.folder), "UID_WRAPPER_DISABLE_DEEPBIND": "1",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


@pytest.fixture
def pam_proxy(make_proxy, pam_roles, auth_folder):
    """pam_proxy(rules=text): the method pam in rules; without, auth_type pam."""
    def make(rules: str = "", **settings):
        if rules:
            settings = {"auth_hba_file": str(auth_folder / "rules"), **settings}
        proxy = make_proxy(start=False, **{"auth_type": "hba" if rules else "pam", **settings})
        proxy.write("rules", rules)
        # pam_wrapper reads the services when it is first called: they stand before the start.
        proxy.environment = Services(proxy, auth_folder).environment
        proxy.start()
        return proxy
    return make


def by_service(name: str) -> str:
    return f"host all all 127.0.0.1/32 pam pamservice={name}\n"


def test_password(pam_proxy):
    """The right password is let in and logs in to the server, too. auth_file plays no part."""
    proxy = pam_proxy(users={ANN[0]: "another"})
    assert proxy.whoami(*ANN) == ANN[0]
    assert FAILED in proxy.refusal(ANN[0], "another")
    assert FAILED in proxy.refusal("stranger", "x")
    assert "empty password returned by client" in answer_to_empty_password(proxy.port, ANN[0])
    text = proxy.log_text()
    assert "pam_authenticate() failed: " in text
    assert [word for word in (ANN[1],) if word in text] == []


def test_an_account_that_may_not_come(pam_proxy):
    proxy = pam_proxy()
    assert FAILED in proxy.refusal(*EVE)
    assert "pam_acct_mgmt() failed: " in proxy.log_text()


def test_no_such_service(pam_proxy):
    proxy = pam_proxy(by_service("nowhere"))
    assert FAILED in proxy.refusal(*ANN)


def test_what_a_module_says_is_logged(pam_proxy):
    proxy = pam_proxy(by_service("talks"))
    assert FAILED in proxy.refusal(ANN[0], "wrong")
    assert "PAM error: " in proxy.log_text()


def test_what_a_module_asks_beside_the_password_is_refused(pam_proxy):
    proxy = pam_proxy(by_service("asks"))
    assert FAILED in proxy.refusal(*ANN)
    assert "asks for something else than the password" in proxy.log_text()


def test_rules_name_their_service(pam_proxy):
    proxy = pam_proxy(f"host all {CARL[0]} 127.0.0.1/32 pam pamservice=shop\n"
                      "host all all 127.0.0.1/32 pam\n")
    assert proxy.whoami(*CARL) == CARL[0]
    assert proxy.whoami(*ANN) == ANN[0]
    assert FAILED in proxy.refusal(CARL[0], ANN[1])


def test_not_together_with_auth_user(pam_proxy, pam_roles):
    proxy = pam_proxy(databases={
        "*": f"host=127.0.0.1 port={pam_roles.port} auth_user={LOOKUP[0]}"})
    assert "bouncer config error" in proxy.refusal(*ANN)
    assert "PAM can't be used together with database authentication" in proxy.log_text()


def test_the_delay_after_a_refusal_is_for_who_was_refused(pam_proxy):
    """libpam sleeps in the calling thread: everybody behind would wait as long."""
    proxy = pam_proxy(by_service("delays"))
    times = []

    def refused() -> None:
        began = time.monotonic()
        assert FAILED in proxy.refusal(EVE[0], "wrong")
        times.append(time.monotonic() - began)
    thread = threading.Thread(target=refused)
    thread.start()
    process.wait_until(lambda: "pam_authenticate() failed" in proxy.log_text(), 10, "a refusal")
    began = time.monotonic()
    assert proxy.whoami(*EVE) == EVE[0]
    assert time.monotonic() - began < 2
    thread.join(20)
    assert times and times[0] > 1.9  # libpam draws from half to one and a half of it
