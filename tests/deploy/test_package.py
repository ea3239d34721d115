"""The Debian package of docs/operations.md: it builds, holds what it should, and what is in it works.

Not tried here: the installation itself, which takes root and systemd, and podman's two lines.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tools import deb, proxy
from tools.shell import ROOT

pytestmark = pytest.mark.skipif(proxy.program().name == "pgbouncer",
                                reason="PgBouncer's package is Debian's")


def text_of(*command, **more) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True, **more).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return deb.make(proxy.program(), tmp_path_factory.mktemp("deb"), compression="-Znone")


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    """The package's files, and its control files under DEBIAN."""
    folder = tmp_path_factory.mktemp("root") / "tree"
    text_of("dpkg-deb", "--raw-extract", package, folder)
    return folder


def fields(package) -> dict[str, str]:
    text = text_of("dpkg-deb", "--field", package)
    return dict(re.findall(r"^(\S+): (.*)$", text, re.MULTILINE))


def names_of(owner: str) -> set[str]:
    """A package's own name and those it provides."""
    provides = text_of("dpkg-query", "-W", "-f", "${Provides}", owner)
    return {owner} | {re.split(r"[ (]", word.strip())[0] for word in provides.split(",")}


def test_it_holds_what_it_should(package):
    listed = text_of("dpkg-deb", "--contents", package)
    names = {line.split()[5] for line in listed.splitlines()}
    assert {"./usr/bin/howdah", "./etc/howdah/howdah.toml", "./usr/share/man/man1/howdah.1.gz",
            "./usr/share/doc/howdah/copyright", "./usr/share/doc/howdah/configuration.md.gz",
            "./lib/systemd/system/howdah.service", "./lib/systemd/system/howdah.socket",
            "./lib/systemd/system/howdah-http.socket"} <= names
    assert all(line.split()[1] == "root/root" for line in listed.splitlines())
    assert not [line for line in listed.splitlines() if line[8] == "w"]  # for everybody
    assert fields(package)["Version"] == deb.version()


def test_its_libraries_come_with_it(package, unpacked):
    """Each shared library that the program names belongs to a package it depends on."""
    needed = re.findall(r"NEEDED\s+(\S+)", text_of("objdump", "-p", unpacked / "usr/bin/howdah"))
    depends = {re.split(r"[ (]", word.strip())[0] for word in fields(package)["Depends"].split(",")}
    homes = dict(re.findall(r"^\s*(\S+) .*=> (\S+)",
                            text_of("ldd", unpacked / "usr/bin/howdah"), re.MULTILINE))
    missing = []
    for library in needed:
        if library not in homes:
            continue  # the loader itself
        real = Path(homes[library]).resolve()
        owners = set()
        for path in {real, Path(homes[library]), Path("/usr") / str(real).lstrip("/"),
                     Path(str(real).removeprefix("/usr"))}:
            found = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True).stdout
            owners |= {name for line in found.splitlines() for name in names_of(line.split(":")[0])}
        if not owners & depends:
            missing.append((library, owners))
    assert needed and missing == []


def test_scripts_parse_and_the_configuration_is_kept(unpacked):
    for script in ("postinst", "prerm", "postrm"):
        path = unpacked / "DEBIAN" / script
        assert os.access(path, os.X_OK)
        text_of("sh", "-n", path)
    assert (unpacked / "DEBIAN/conffiles").read_text() == "/etc/howdah/howdah.toml\n"


def test_what_is_in_it_works(unpacked):
    program = unpacked / "usr/bin/howdah"
    assert text_of(program, "--version") == f"howdah {deb.version()}\n"
    checked = subprocess.run([program, "config", "check", unpacked / "etc/howdah/howdah.toml"],
                             capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    page = text_of("zcat", unpacked / "usr/share/man/man1/howdah.1.gz")
    listed = re.findall(r"^  (\S+) +\S", text_of(program, "--help").partition("commands:")[2],
                        re.MULTILINE)
    assert listed
    for name in listed:
        assert f".B {name}".replace("-", "\\-") in page


def test_units_are_right(unpacked):
    """systemd's own judgement, with the package's files as the system's."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
         *sorted((unpacked / "lib/systemd/system").iterdir())],
        capture_output=True, text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{unpacked}/lib/systemd/system:"})
    # It is not installed on this machine: that is all that may be missing.
    problems = [line for line in done.stderr.splitlines()
                if "howdah" in line and "/usr/bin/howdah" not in line]
    assert problems == []


def test_the_container_names_the_same_libraries(package):
    """deploy/container installs what the program needs, and nothing that it does not."""
    text = (ROOT / "deploy/container/Containerfile").read_text().rpartition("FROM ")[2]
    installed = set(re.findall(r"\blib[\w.+-]+", text.partition("apt-get install")[2]
                               .partition("rm -rf")[0]))
    depends = {re.split(r"[ (]", word.strip())[0] for word in fields(package)["Depends"].split(",")}
    base = {"libc6", "libgcc-s1", "libstdc++6", "libpam0g"}  # in every Debian
    sanitizers = {name for name in depends if name.startswith(("libasan", "libubsan", "libtsan"))}
    assert installed == {d for d in depends if d.startswith("lib")} - base - sanitizers
