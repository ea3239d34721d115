"""./dev test: builds, then ctest, the tests that need PostgreSQL, and tests/ with pytest.

Every runner leaves JUnit files; the sum over all of them is the last line.
"""

import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tools import build, sanitizer, shell
from tools.shell import BUILD, ROOT

PRESET = os.environ.get("HOWDAH_PRESET", "release")
RESULTS = BUILD / "test-results"
PGTEST_SECONDS_MAX = 600
PYTEST_SECONDS_MAX = 2400


@dataclass
class Tally:
    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)  # "name (rerun: line)"

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.skipped += other.skipped
        self.failed += other.failed

    def line(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failed)} failed{skipped}"


def read_junit(path: Path, rerun) -> Tally:
    """Sums one JUnit file; `rerun(class, name)` gives the line that repeats a failed case."""
    tally = Tally()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name, group = case.get("name", ""), case.get("classname", "")
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"} or case.get("status") == "fail":
            tally.failed.append(f"{group}.{name} (rerun: {rerun(group, name)})")
        elif "skipped" in kinds or case.get("status") in ("notrun", "disabled"):
            tally.skipped += 1
        else:
            tally.passed += 1
    return tally


def gtest_environment(folder: Path, words: str) -> dict[str, str]:
    env = {**os.environ, "GTEST_OUTPUT": f"xml:{folder}/", "GTEST_BRIEF": "1"}
    if words:
        env["GTEST_FILTER"] = f"*{words}*:*{words[0].upper()}{words[1:]}*"
    return env


def has_ctest_named(words: str) -> bool:
    listing = shell.output_of(["ctest", "--test-dir", BUILD / PRESET, "-N", "-R", words])
    return "Total Tests: 0" not in listing


def run_ctest(words: str) -> Tally:
    """Each ctest entry that is a GoogleTest program counts with its cases, any other as one."""
    junit, cases = RESULTS / "ctest.xml", RESULTS / "gtest"
    by_name = bool(words) and has_ctest_named(words)
    command = ["ctest", "--test-dir", str(BUILD / PRESET), "--output-on-failure",
               "-j", str(shell.cores()), "--output-junit", str(junit)]
    env = gtest_environment(cases, "" if by_name else words)
    subprocess.run(command + (["-R", words] if by_name else []), cwd=ROOT, env=env)
    tally = Tally()
    for path in sorted(cases.glob("*.xml")):
        program = f"{BUILD.name}/{PRESET}/src/{path.stem.removeprefix('test_')}/{path.stem}"
        tally.add(read_junit(path, lambda g, n, p=program: f"{p} --gtest_filter={g}.{n}"))
    counted = {path.stem.removeprefix("test_") for path in cases.glob("*.xml")}
    entries = ElementTree.parse(junit).getroot() if junit.exists() else []
    for entry in entries:
        name, failed = entry.get("name", ""), entry.find("failure") is not None
        rerun = f"ctest --test-dir {BUILD.name}/{PRESET} --output-on-failure -R '^{name}$'"
        if failed and not any(name in case for case in tally.failed):
            tally.failed.append(f"{name} (rerun: {rerun})")
        elif not failed and name not in counted:
            tally.passed += 1
    if not junit.exists():
        tally.failed.append("ctest left no result")
    return tally


def run_pgtest(program: Path, words: str) -> Tally:
    folder = RESULTS / "pgtest"
    line = f"{program.relative_to(ROOT)}"
    whole = words in program.name
    try:
        done = subprocess.run([program], cwd=ROOT, timeout=PGTEST_SECONDS_MAX,
                              env=gtest_environment(folder, "" if whole else words),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, text = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        status, text = -1, f"{(late.stdout or b'').decode(errors='replace')}\nno end in time"
    junit = folder / f"{program.name}.xml"
    tally = Tally()
    if junit.exists():
        tally = read_junit(junit, lambda g, n: f"{line} --gtest_filter={g}.{n}")
    if status != 0:
        shell.say(text)
        if not tally.failed:
            tally.failed.append(f"{program.name} ended with {status} (rerun: {line})")
    shell.say(f"{program.name}: {tally.line()}")
    return tally


def run_pgtests(words: str) -> Tally:
    tally = Tally()
    programs = sorted((BUILD / PRESET / "src").glob("*/pgtest_*"))
    programs = [p for p in programs if p.is_file() and os.access(p, os.X_OK)]
    with ThreadPoolExecutor(shell.cores()) as threads:
        for one in threads.map(lambda p: run_pgtest(p, words), programs):
            tally.add(one)
    return tally


def run_pytest(words: str) -> Tally:
    junit = RESULTS / "pytest.xml"
    # A file's tests share its poolers: they stay together, and each process has a PostgreSQL.
    command = ["/usr/bin/python3", "-m", "pytest", "tests", "-q", f"--junitxml={junit}",
               "-n", str(shell.cores()), "--dist", "loadfile"]
    if words:
        command += ["-k", words]
    try:
        status = subprocess.run(command, cwd=ROOT, timeout=PYTEST_SECONDS_MAX).returncode
    except subprocess.TimeoutExpired:
        status = -1
    tally = Tally()
    if junit.exists():
        tally = read_junit(junit, lambda g, n: f"./dev test '{n.split('[')[0]}'")
    if status not in (0, 5) and not tally.failed:
        tally.failed.append(f"pytest ended with {status} (rerun: {shell.quote(command)})")
    return tally


def main(arguments: list[str]) -> int:
    words = " ".join(arguments)
    started = time.monotonic()
    build.build(PRESET)
    os.environ.update(sanitizer.environment())
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    tally = Tally()
    for runner in (run_ctest, run_pgtests, run_pytest):
        tally.add(runner(words))
    if words and not tally.passed and not tally.failed:
        raise shell.Failed(f"no test has '{words}' in its name", "./dev test")
    for name in tally.failed:
        shell.say(f"FAILED {name}")
    shell.say(f"{time.monotonic() - started:.0f} s with the build")
    shell.say(tally.line())
    return 1 if tally.failed else 0
