"""C++ source as tools/tidy.py looks at it: without comments and literals, and cut into functions."""

import re
from typing import NamedTuple

LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)
# A quote between digits (1'000'000) is no character literal.
SEPARATOR = re.compile(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])")
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
NAME = re.compile(r"([~\w:<>]+)\s*\(")
NOT_FUNCTIONS = {"if", "for", "while", "switch", "catch", "return", "sizeof", "decltype", "alignas",
                 "requires", "noexcept", "constexpr", "static_assert"}


class Function(NamedTuple):
    name: str
    line: int   # of its first line, 1-based
    lines: int  # from there to the closing brace


def bare(text: str) -> str:
    """`text` with comments and literals blanked; every line and column stays where it is."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return LITERAL.sub(blank, SEPARATOR.sub("_", text))


def without_directives(code: str) -> str:
    """Blanks preprocessor lines with their continuations: macros are not functions."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()),
                  code, flags=re.MULTILINE)


def function_name(head: str) -> str:
    """The function that a `{` after `head` opens; empty when it opens something else."""
    if "(" not in head or re.search(r"=\s*$", head):
        return ""
    plain = head.split("(", 1)[0]
    if SCOPE.search(plain) and not re.search(r"\b(struct|class|enum)\s+\w+[*&]*\s+[\w:~]+$", plain):
        return ""
    found = NAME.search(head)
    if not found or found.group(1) in NOT_FUNCTIONS:
        return ""
    name = found.group(1)
    arguments = re.match(r"TEST\w*\(\s*(\w+)\s*,\s*(\w+)", head[found.start():])
    return f"{arguments.group(1)}.{arguments.group(2)}" if arguments else name


def functions(text: str) -> list[Function]:
    """Every function with a body, lambdas counted with the one they stand in."""
    code = without_directives(bare(text))
    found, scopes = [], []  # scopes: (name or "", start line)
    inside = 0              # how many of the open scopes are within a function
    start = 0               # where the text of the current declaration begins
    line = 1
    for at, letter in enumerate(code):
        if letter == "\n":
            line += 1
        elif letter == "{":
            head = code[start:at]
            name = "" if inside else function_name(head)
            first = line - head.lstrip().count("\n")
            scopes.append((name, first))
            if name or inside:
                inside += 1
            start = at + 1
        elif letter == "}" and scopes:
            name, first = scopes.pop()
            if inside:
                inside -= 1
            if name and not inside:
                found.append(Function(name, first, line - first + 1))
            start = at + 1
        elif letter == ";" and not inside:
            start = at + 1
    return found
