#!/usr/bin/python3
"""Writes docs/lint-rules from the rules themselves. Usage: lint_docs.py PATH_OF_HOWDAH"""
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "lint-rules"


def ask(howdah, *words):
    return subprocess.run([howdah, "lint", *words], check=True, capture_output=True, text=True).stdout


def main():
    howdah = sys.argv[1]
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = [line.split()[0] for line in ask(howdah, "--list-rules").splitlines()]
    for stale in FOLDER.glob("*.md"):
        if stale.stem not in names and stale.stem != "README":
            stale.unlink()
    for name in names:
        (FOLDER / f"{name}.md").write_text(ask(howdah, "--explain", name))
    (FOLDER / "README.md").write_text(ask(howdah, "--explain", "all"))


main()
