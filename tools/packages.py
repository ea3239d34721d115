"""./dev setup: installs what tools/packages.txt names, and nothing else."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tools import shell

LIST = Path(__file__).with_name("packages.txt")
POLICY = Path("/usr/sbin/policy-rc.d")


class Package(NamedTuple):
    name: str
    command: str  # another provider of this command will do; empty = the package itself
    why: str


def parse(text: str) -> list[Package]:
    packages = []
    for number, line in enumerate(text.splitlines(), 1):
        head, _, why = (part.strip() for part in line.partition("#"))
        if not head:
            continue
        if not why:
            raise shell.Failed(f"{LIST}:{number}: {head} has no comment that says why it is needed")
        name, _, command = (part.strip() for part in head.partition("|"))
        packages.append(Package(name, command, why))
    return packages


def missing(packages: list[Package]) -> list[Package]:
    listing = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *(p.name for p in packages)],
        capture_output=True, text=True).stdout
    there = {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}
    return [p for p in packages
            if p.name not in there and not (p.command and shutil.which(p.command))]


@contextlib.contextmanager
def no_services_started():
    """The server packages would start daemons on the usual ports; nothing here needs them."""
    if os.geteuid() != 0 or POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def setup() -> None:
    packages = missing(parse(LIST.read_text()))
    if not packages:
        return
    names = [p.name for p in packages]
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and not shutil.which("sudo"):
        raise shell.Failed("not root and no sudo: as root, run",
                           f"apt-get install --no-install-recommends {' '.join(names)}")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q",
           "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3"]
    shell.say(f"installing {len(names)} packages: {' '.join(names)}")
    shell.run([*apt, "update"], rerun="./dev setup", quiet=True)
    with no_services_started():
        shell.run([*apt, "install", "--no-install-recommends", *names], rerun="./dev setup",
                  quiet=True)
    left = missing(packages)
    if left:
        raise shell.Failed(f"still missing: {' '.join(p.name for p in left)}", "./dev setup")
