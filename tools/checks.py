"""./dev check and ./dev fmt: what needs no build."""

import os
import subprocess

from tools import shell
from tools.shell import ROOT, Failed

FORMATTER = "clang-format-19"


def cpp_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
         "*.cpp", "*.hpp"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listing.split("\0") if name and os.path.exists(ROOT / name)]


def check() -> int:
    failures = []
    files = cpp_files()
    badly = subprocess.run([FORMATTER, "--dry-run", "--Werror", *files], cwd=ROOT) if files else None
    if badly and badly.returncode != 0:
        failures.append("formatting (rerun: ./dev fmt)")
    if failures:
        raise Failed("; ".join(failures), "./dev check")
    shell.say(f"check: {len(files)} C++ files fine")
    return 0


def fmt() -> None:
    files = cpp_files()
    if files:
        shell.run([FORMATTER, "-i", *files], rerun="./dev fmt")
