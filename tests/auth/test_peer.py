"""Who comes over the unix socket, as the operating system knows him."""

import os
import pwd

import pytest

from tests.auth.conftest import LOOKUP
from tools import process

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def local(make_proxy, roles, auth_folder):
    """local(rules, ident): a proxy on a unix socket; everybody is LOOKUP's user at the server."""
    def make(rules: str, ident: str = ""):
        for name, text in (("rules", rules), ("ident", ident)):
            path = auth_folder / name
            path.write_text(text)
            process.give_to_server_user(path)
        return make_proxy(
            users={ME: "", "scram_user": "scram-canary-51"}, auth_type="hba",
            auth_hba_file=str(auth_folder / "rules"), auth_ident_file=str(auth_folder / "ident"),
            unix_socket_dir=str(auth_folder), databases={
                "forced": f"host=127.0.0.1 port={roles.port} dbname=postgres user={LOOKUP[0]} "
                          f"password={LOOKUP[1]}",
                "*": f"host=127.0.0.1 port={roles.port}"})
    return make


def test_own_name_only(local, auth_folder):
    proxy = local("local all all peer\n")
    assert proxy.whoami(ME, None, "forced", host=str(auth_folder)) == LOOKUP[0]
    assert "unix socket login rejected" in proxy.refusal("scram_user", "scram-canary-51",
                                                         host=str(auth_folder))
    # The rule is for the socket: over TCP there is none.
    assert "no authentication method is found" in proxy.refusal(ME, None, "forced")


@pytest.mark.parametrize("line, fine", [
    ("m {me} scram_user", True), ("m somebody scram_user", False), ("other {me} scram_user", False),
    (r'm /^(.*)$ scram_user', True), (r'm /^(.*)x{{9}}$ scram_user', False)],
    ids=["mine", "another's", "another map", "pattern", "pattern of nobody"])
def test_maps(local, auth_folder, line, fine):
    text = line.format(me=ME) + "\nm nobody nothing\n"
    proxy = local("local all all peer map=m\n", text)
    if fine:
        assert proxy.whoami("scram_user", None, host=str(auth_folder)) == "scram_user"
    else:
        assert "unix socket login rejected" in proxy.refusal("scram_user", None,
                                                             host=str(auth_folder))
