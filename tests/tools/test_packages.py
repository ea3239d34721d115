"""tools/packages.txt and how ./dev setup reads it."""

import pytest

from tools import packages, shell


def test_every_package_says_why():
    listed = packages.parse(packages.LIST.read_text())
    assert len(listed) > 20
    assert len({p.name for p in listed}) == len(listed), "a package is listed twice"


def test_package_without_a_reason_is_refused_with_its_line():
    with pytest.raises(shell.Failed, match=":2: ninja-build has no comment"):
        packages.parse("cmake  # presets\nninja-build\n")


def test_missing_finds_what_is_not_installed():
    wanted = packages.parse("dpkg  # there\nhowdah-no-such-package  # not there\n")
    assert [p.name for p in packages.missing(wanted)] == ["howdah-no-such-package"]


def test_another_provider_of_the_command_will_do():
    wanted = packages.parse("howdah-no-such-package | sh  # the command is there\n")
    assert packages.missing(wanted) == []
