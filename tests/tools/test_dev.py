"""./dev itself: usage, exit statuses, the sum over all runners."""

import subprocess

import pytest

from tools import run_tests
from tools.dev import COMMANDS, OWN_HELP
from tools.shell import ROOT


def dev(*arguments):
    return subprocess.run(["./dev", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_help_names_every_command():
    from tools import dev as script
    done = dev("help")
    assert done.returncode == 0
    for name in script.COMMANDS:
        assert f"./dev {name}" in done.stdout


def test_unknown_command_is_wrong_usage():
    done = dev("tset")
    assert done.returncode == 2
    assert "no command tset" in done.stderr


def test_unknown_preset_is_wrong_usage_and_names_the_presets():
    done = dev("build", "relaese")
    assert done.returncode == 2
    assert "no preset relaese" in done.stderr and "release" in done.stderr


def test_junit_sum_counts_each_kind_and_gives_the_line_to_rerun(tmp_path):
    path = tmp_path / "x.xml"
    path.write_text("""<testsuites><testsuite>
        <testcase classname="a" name="good"/>
        <testcase classname="a" name="bad"><failure message="no"/></testcase>
        <testcase classname="a" name="broken"><error message="no"/></testcase>
        <testcase classname="a" name="left"><skipped/></testcase>
        </testsuite></testsuites>""")
    tally = run_tests.read_junit(path, lambda group, name: f"again {group} {name}")
    assert tally.line() == "1 passed, 2 failed, 1 skipped"
    assert tally.failed == ["a.bad (rerun: again a bad)", "a.broken (rerun: again a broken)"]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - OWN_HELP))
def test_help_of_a_command_does_nothing_else(name):
    done = dev(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: ./dev {name}")
    assert len(done.stdout.splitlines()) == 1
