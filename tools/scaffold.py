"""./dev new: the files that something new starts with."""

import re

from tools import shell
from tools.shell import ROOT, Failed

CMAKE = "howdah_module({name} DEPS base)\n"
HEADER = """\
// {name}: {what}
#pragma once

namespace howdah::{name} {{

}}  // namespace howdah::{name}
"""
UNIT_TEST = """\
#include "{name}/{name}.hpp"

#include <gtest/gtest.h>

namespace howdah::{name} {{
namespace {{

TEST({camel}Test, {case}) {{
    FAIL() << "{name} does nothing yet: write the first test";
}}

}}  // namespace
}}  // namespace howdah::{name}
"""
SOURCE = """\
#include "{name}/{name}.hpp"

namespace howdah::{name} {{

}}  // namespace howdah::{name}
"""


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def write(path, text: str) -> None:
    if path.exists():
        raise Failed(f"{path.relative_to(ROOT)} is there already")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    shell.say(f"wrote {path.relative_to(ROOT)}")


def module(name: str, what: str) -> None:
    """A folder under src/, known to the build once it stands in CMakeLists.txt's list of levels."""
    listed = re.search(r"foreach\(module IN ITEMS([^)]*)\)", (ROOT / "CMakeLists.txt").read_text())
    if not listed or name not in listed.group(1).split():
        raise Failed(f"{name} stands on no level: add it to the list in CMakeLists.txt and to "
                     "LAYERS in tools/tidy.py first", status=2)
    folder = ROOT / "src" / name
    values = {"name": name, "camel": camel(name), "what": what, "case": "SaysWhatItDoes"}
    write(folder / "CMakeLists.txt", CMAKE.format(**values))
    write(folder / f"{name}.hpp", HEADER.format(**values))
    write(folder / f"{name}.cpp", SOURCE.format(**values))
    write(folder / f"{name}_test.cpp", UNIT_TEST.format(**values))


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[0] != "module":
        raise Failed("usage: ./dev new module NAME WHAT IT DOES, IN A SENTENCE", status=2)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", arguments[1]):
        raise Failed(f"{arguments[1]}: a name is lower case, digits and underscores", status=2)
    module(arguments[1], " ".join(arguments[2:]))
    return 0
