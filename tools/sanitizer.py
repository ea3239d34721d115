"""What a program built with a sanitizer is told, and what the sanitizer found.

Reports go to files in one folder, whoever started the process and wherever its output goes: a test
that looks at answers only fails all the same. Programs built without one take no notice.
"""

from pathlib import Path

from tools.shell import ROOT

SUPPRESSIONS = ROOT / "tools" / "sanitizers"
REPORT_CHARACTERS_MAX = 6000


def environment(folder: Path | None = None) -> dict[str, str]:
    """Variables for programs that may have been built with a sanitizer: what is not our fault, and
    the folder for reports (a failed ASSERT is one, too); none: reports go to standard error."""
    common = f"log_path={folder}/report:handle_abort=1:" if folder else ""
    return {"ASAN_OPTIONS": f"{common}detect_leaks=1",
            "UBSAN_OPTIONS": f"{common}print_stacktrace=1",
            "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}/lsan.txt:print_suppressions=0",
            "TSAN_OPTIONS": f"{common}second_deadlock_stack=1:"
                            f"suppressions={SUPPRESSIONS}/tsan.txt"}


def reports(folder: Path) -> list[Path]:
    return sorted(folder.glob("report*"))


def text(report: Path) -> str:
    return f"{report}:\n{report.read_text(errors='replace')[:REPORT_CHARACTERS_MAX]}"
