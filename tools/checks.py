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


def badly_formatted(files: list[str]) -> list[str]:
    if not files:
        return []
    done = subprocess.run([FORMATTER, "--dry-run", "--Werror", *files], cwd=ROOT,
                          capture_output=True, text=True)
    named = sorted({line.split(":", 1)[0] for line in done.stderr.splitlines()
                    if "[-Wclang-format-violations]" in line})
    if done.returncode != 0 and not named:
        raise Failed(done.stderr.strip(), "./dev check")
    return named


def check() -> int:
    from tools import tidy
    failures = []
    files = cpp_files()
    badly = badly_formatted(files)
    if badly:
        failures.append(f"{len(badly)} files badly formatted: {' '.join(badly)} (rerun: ./dev fmt)")
    problems = tidy.check_tree()
    for problem in problems:
        shell.say(str(problem))
    if problems:
        failures.append("tidy (rerun: ./dev check)")
    if failures:
        raise Failed("; ".join(failures), "./dev check")
    shell.say(f"check: {len(files)} C++ files fine")
    return 0


def fmt() -> None:
    files = cpp_files()
    if files:
        shell.run([FORMATTER, "-i", *files], rerun="./dev fmt")
