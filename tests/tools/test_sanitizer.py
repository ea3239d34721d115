"""What a sanitizer says is seen: in files, by any test, and a crash by whoever stops the process."""

import os
import signal
import subprocess
import sys

import pytest

from tools import process, proxy, sanitizer
from tools.shell import ROOT, Failed

FAULTS = {
    "address": "char *p = malloc(8); p[argc + 7] = 1; free(p);",
    "leak": "volatile char *p = malloc(64); p[0] = 1; p = 0;",
    "undefined": "volatile int most = 2147483647; most += argc;",
    "assertion": "abort();",
}
FLAGS = ["-g", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """faulty(kind): a program with that fault; `none` has none."""
    folder = tmp_path_factory.mktemp("faulty")

    def build(kind: str):
        source, program = folder / f"{kind}.c", folder / kind
        if not program.exists():
            source.write_text("#include <stdlib.h>\nint main(int argc, char **argv)\n{ (void)argv; "
                              f"{FAULTS.get(kind, '(void)argc;')} return 0; }}\n")
            subprocess.run(["clang-19", *FLAGS, "-o", program, source], check=True)
        return program
    return build


@pytest.mark.parametrize("kind", [*FAULTS, "none"])
def test_a_fault_leaves_a_report(faulty, tmp_path, kind):
    subprocess.run([faulty(kind)], env={**os.environ, **sanitizer.environment(tmp_path)},
                   capture_output=True)
    assert len(sanitizer.reports(tmp_path)) == (kind != "none")
    assert all("SUMMARY" in sanitizer.text(one) for one in sanitizer.reports(tmp_path))


@pytest.mark.parametrize("kind", ["address", "leak", "none"])
def test_a_report_fails_the_test_whose_process_left_it(faulty, tmp_path, kind):
    case = tmp_path / "test_case.py"
    case.write_text("import subprocess\n\ndef test_that_looks_at_nothing():\n"
                    f"    subprocess.run([{str(faulty(kind))!r}], capture_output=True)\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c",
                           ROOT / "tests" / "pytest.ini", "--rootdir", tmp_path, case],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == (kind != "none"), done.stdout
    assert ("SUMMARY: AddressSanitizer" in done.stdout) == (kind != "none"), done.stdout


@pytest.mark.parametrize("how", ["ABRT", "SEGV"])
def test_a_crash_is_seen_by_who_stops_it(tmp_path, how):
    tmp_path.chmod(0o755)
    one = proxy.Proxy(tmp_path, {"app": "x"}, databases={})
    one.process = process.spawn(["sh", "-c", f"echo last words; kill -{how} $$"], one.log)
    one.process.wait(20)
    with pytest.raises(Failed, match="last words"):
        one.stop()
    one.process = process.spawn(["sleep", "60"], one.log)
    one.stop(signal.SIGTERM)
