"""Running commands for ./dev: echo, failure with the line to rerun, and where things are."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class Failed(Exception):
    """A step failed; `rerun` is the exact line that repeats it."""

    def __init__(self, message: str, rerun: str = "", status: int = 1):
        super().__init__(message)
        self.rerun = rerun
        self.status = status


def say(text: str) -> None:
    print(text, flush=True)


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def quote(command) -> str:
    return " ".join(shlex.quote(str(part)) for part in command)


def run(command, *, rerun: str = "", env: dict | None = None, quiet: bool = False) -> None:
    """Runs `command` in the repository's root; raises Failed when it does not exit with 0."""
    command = [str(part) for part in command]
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=output,
                          stderr=subprocess.STDOUT if quiet else None)
    if done.returncode != 0:
        if quiet:
            sys.stderr.write(done.stdout.decode(errors="replace"))
        raise Failed(f"{command[0]} ended with status {done.returncode}", rerun or quote(command))


def output_of(command) -> str:
    """What `command` prints, stripped; empty when it is missing or fails."""
    try:
        done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def cores() -> int:
    return len(os.sched_getaffinity(0))
