"""./dev sim, fuzz, soak, bench and profile: find the program that does it and run it."""

import os
import subprocess

from tools import build, shell
from tools.shell import BUILD, ROOT, Failed

FUZZ_SECONDS = 60
SOAK_MINUTES = 10


def executables(preset: str, pattern: str) -> list:
    found = (BUILD / preset).rglob(pattern)
    return sorted(p for p in found if p.is_file() and os.access(p, os.X_OK)
                  and "CMakeFiles" not in p.parts)


def sim(arguments) -> int:
    """tests/sim is a program named howdah_sim that takes --seed N and --canary."""
    build.build("release")
    programs = executables("release", "howdah_sim")
    if not programs:
        raise Failed("no program howdah_sim in the build: tests/sim/CMakeLists.txt makes it")
    command = [str(programs[0].relative_to(ROOT)), *arguments]
    shell.run(command, rerun=shell.quote(["./dev", "sim", *arguments]))
    return 0


def fuzz(arguments) -> int:
    """Fuzzers are programs fuzz_NAME of the preset fuzz; corpora stand under fuzz/corpus/NAME."""
    build.build("fuzz", ("fuzzers",))
    programs = {p.name.removeprefix("fuzz_"): p for p in executables("fuzz", "fuzz_*")}
    if not arguments:
        shell.say("\n".join(programs) or "no fuzzer in this build")
        return 0
    name = arguments[0]
    seconds = int(arguments[1]) if len(arguments) > 1 else FUZZ_SECONDS
    if name not in programs:
        raise Failed(f"no fuzzer {name}: one of {', '.join(programs)}", "./dev fuzz", status=2)
    found, seeds = BUILD / "fuzz-found" / name, ROOT / "fuzz" / "corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    command = [programs[name], found, *([seeds] if seeds.is_dir() else []),
               f"-max_total_time={seconds}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    shell.run(command, rerun=f"./dev fuzz {name} {seconds}")
    return 0


def soak(arguments) -> int:
    """tests/soak: a mixed load on a build with a sanitizer, or any other preset."""
    minutes = arguments[0] if arguments else str(SOAK_MINUTES)
    preset = arguments[1] if len(arguments) > 1 else "asan"
    build.build(preset, ("howdah",))
    command = ["/usr/bin/python3", "-m", "tests.soak.run", minutes, preset]
    return subprocess.run(command, cwd=ROOT).returncode


def bench(arguments) -> int:
    names = sorted(p.stem for p in (ROOT / "bench").glob("*.py") if not p.stem.startswith("_"))
    if not arguments:
        shell.say("\n".join(names) or "no benchmark in bench/ yet")
        return 0
    name, *rest = arguments
    if name not in names:
        raise Failed(f"no benchmark {name}: one of {', '.join(names)}", "./dev bench", status=2)
    command = ["/usr/bin/python3", "-m", f"bench.{name}", *rest]
    return subprocess.run(command, cwd=ROOT).returncode


def profile() -> int:
    """bench/_training.py: what the query path does under load, for the compiler (ADR 0035)."""
    return subprocess.run(["/usr/bin/python3", "-m", "bench._training"], cwd=ROOT).returncode
