"""What `howdah config check` calls good `howdah serve` starts with: the same mistakes, each with its
place."""

import os
import subprocess

import pytest

from tools import process, proxy

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer has no subcommands")
NOT_ROOT = os.geteuid() != 0


def run(folder, *words) -> subprocess.CompletedProcess:
    return subprocess.run([str(proxy.program()), *words], cwd=folder, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=process.clean_environment())


def write(folder, ini: bool, key: str, value: str) -> str:
    """The line of the key is the third."""
    if ini:
        name, text = "p.ini", f"[pgbouncer]\nlisten_addr = 127.0.0.1\n{key} = {value}\n" \
                              f"listen_port = {process.free_port()}\n[databases]\n* = host=x\n"
    else:
        name, text = "p.toml", f"[proxy]\nlisten_port = {process.free_port()}\n{key} = '{value}'\n" \
                               "[databases.x]\nhost = 'x'\n"
    (folder / name).write_text(text)
    return name


@pytest.mark.parametrize("ini", [True, False], ids=["ini", "toml"])
@pytest.mark.parametrize("key, value", [
    ("http_listen", "0.0.0.0:0"),
    ("http_listen", "6433"),
    ("http_token_file", "none.token"),
    ("server_tls_ca_file", "/nope"),
    ("server_tls_cert_file", "/nope"),
    ("server_tls_ciphers", "foo"),
    ("server_tls13_ciphers", "foo"),
    ("logfile", "/nope/x"),
    ("logfile", "/tmp"),
    ("slow_query_explain", "foo bar"),
    ("slow_query_explain", "hots=x"),
    pytest.param("user", "nobody-of-that-name", marks=pytest.mark.skipif(
        NOT_ROOT, reason="only root becomes another")),
])
def test_a_mistake_is_an_error_for_both(tmp_path, ini, key, value):
    name = write(tmp_path, ini, key, value)
    checked = run(tmp_path, "config", "check", name)
    assert checked.returncode == 1, checked.stdout
    assert f"{name}:3: error: {key}" in checked.stdout
    served = run(tmp_path, "serve", name)
    assert served.returncode == 2 and f"{name}:3: {key}" in served.stderr


@pytest.mark.parametrize("key, value, word", [
    ("syslog_facility", "lokal1", 'did you mean "local1"?'),
    ("auth_ident_file", "none.conf", "could not open ident config file none.conf"),
])
def test_what_pgbouncer_goes_on_with_is_a_warning_in_its_place(tmp_path, key, value, word):
    strict = run(tmp_path, "config", "check", write(tmp_path, False, key, value))
    assert strict.returncode == 1 and "p.toml:3: error: " in strict.stdout and word in strict.stdout
    lenient = run(tmp_path, "config", "check", write(tmp_path, True, key, value))
    assert lenient.returncode == 0 and "p.ini:3: warning: " in lenient.stdout
    assert word in lenient.stdout


@pytest.mark.parametrize("name", ["howdah", "pgbouncer"])
def test_no_database_can_have_the_consoles_name(tmp_path, name):
    (tmp_path / "d.toml").write_text(f"[databases.{name}]\nhost = 'x'\n")
    (tmp_path / "d.ini").write_text(f"[databases]\n{name} = host=x\n")
    for file, line in (("d.toml", 1), ("d.ini", 2)):
        checked = run(tmp_path, "config", "check", file)
        assert checked.returncode == 1
        assert f'{file}:{line}: error: database name "{name}" is reserved' in checked.stdout
