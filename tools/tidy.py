"""The house style that a machine can hold: layers, library ownership, sizes, bans.

check_tree() gives every problem of the tracked files; ./dev check prints them, tests/tools runs it.
What was too large when a rule came in stands in tools/tidy_ratchet.txt, which may only shrink.
"""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tools import cpp_text
from tools.shell import ROOT

# A module sees those below it, and nothing beside it.
LAYERS = (("base",), ("wire", "net", "http", "sql", "store", "pg", "findings"), ("config", "server"),
          ("auth", "catalog", "pool", "cluster", "cache"),
          ("proxy", "insight", "monitor", "migrate", "staging"), ("advisor", "bench"), ("web",),
          ("cli",))
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
# Who knows whom within one level, each with its reason.
SIDEWAYS = {("cache", "catalog"): "what is cacheable depends on volatility, triggers, views",
            ("cluster", "pool"): "health probes and balancing look at pools",
            ("catalog", "pg"): "introspection runs queries",
            ("monitor", "proxy"): "collectors ask the loops; the proxy knows nothing of them"}

# Only the module named may include it. The pattern is matched against the included path.
OWNERS = ((r"pg_query", "sql"), (r"sqlite3", "store"), (r"libpq-fe|libpq/|postgres_ext", "pg"),
          (r"liburing|linux/io_uring|sys/epoll", "net"), (r"boost/(beast|asio)", "web"),
          (r"tree_sitter", "insight"), (r"CLI/", "cli"),
          (r"^ldap\.h|^security/pam", "auth"), (r"hiredis", "cache"), (r"spdlog", "base"), (r"^curl/", "http"))
CMAKE_OWNERS = ((r"^pg_query$", "sql"), (r"SQLite|sqlite", "store"), (r"PostgreSQL::", "pg"),
                (r"URING", "net"), (r"spdlog", "base"))

FUNCTION_LINES_MAX, FILE_LINES_MAX, PUBLIC_HEADER_LINES_MAX = 70, 600, 200
RATCHET = ROOT / "tools" / "tidy_ratchet.txt"
CODE = (".cpp", ".hpp", ".py", ".sh", ".ts", ".tsx", ".java", ".cmake", "CMakeLists.txt")
MARKS = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX"))
REGISTRIES = "|".join(("registry.npm" + "js", "py" + "pi.org", "deb.deb" + "ian.org"))


class Ban(NamedTuple):
    pattern: re.Pattern
    where: re.Pattern        # on the path
    instead: str
    literals: bool = False   # also within comments and strings


BANS = (
    Ban(re.compile(r"\busing\s+namespace\b"), re.compile(r"\.hpp$"), "name what you use"),
    Ban(re.compile(r"#\s*(define\s+TOML_\w+|include\s+<toml\+\+)"),
        re.compile(r"^(?!src/base/toml\.hpp$).*\.[ch]pp$"),
        "base/toml.hpp: two settings of a header-only library are two layouts of one class"),
    Ban(re.compile(r"_clock::now\b"), re.compile(r"^src/(?!base/|net/).*\.[ch]pp$"),
        "take the time from the caller or from the loop's clock"),
    Ban(re.compile(r"\b(s?rand\s*\(|mt19937|random_device)"), re.compile(r"^src/(?!base/).*\.[ch]pp$"),
        "base/prng.hpp, seeded by the caller"),
    Ban(re.compile(r"(?<![(,] )(?<!\()\bnew\s+(?!\()[\w:]+"), re.compile(r"\.[ch]pp$"),
        "std::make_unique, or straight into its owner's constructor"),
    Ban(re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<!\w)::sleep\(|\btime\.sleep\b"),
        re.compile(r"(_(pg)?test\.cpp|^tests/.*\.(cpp|py))$"),
        "wait for the condition, with a deadline"),
    Ban(re.compile(rf"\b({MARKS})\b"), re.compile(r".*"), "do it, or open an issue", True),
    Ban(re.compile(REGISTRIES), re.compile(r".*"), "no host of a package registry", True),
)


class Problem(NamedTuple):
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=ROOT, capture_output=True, check=True).stdout.decode()
    skip = re.compile(r"(^|/)(corpus|golden)/|package-lock\.json$|\.(png|ico|woff2)$")
    return sorted(n for n in set(listing.split("\0")) if n and not skip.search(n)
                  and (ROOT / n).is_file())


def module_of(path: str) -> str:
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else ""


def may_see(module: str, other: str) -> bool:
    return (module == other or (module, other) in SIDEWAYS
            or LEVEL.get(other, 99) < LEVEL.get(module, -1))


def includes(text: str):
    for match in re.finditer(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.MULTILINE):
        yield text.count("\n", 0, match.start()) + 1, match.group(1)


def declared_modules(files: dict[str, str]):
    """(path, line, module, DEPS, LIBS) of every howdah_module()."""
    for path, text in files.items():
        if not path.endswith("CMakeLists.txt"):
            continue
        for match in re.finditer(r"howdah_module\(\s*(\w+)([^)]*)\)", text):
            words, lists, current = match.group(2).split(), defaultdict(list), ""
            for word in words:
                if word in ("DEPS", "LIBS", "PUBLIC_LIBS"):
                    current = word
                else:
                    lists[current].append(word)
            yield (path, text.count("\n", 0, match.start()) + 1, match.group(1), lists["DEPS"],
                   lists["LIBS"] + lists["PUBLIC_LIBS"])


def check_layers(files: dict[str, str]) -> list[Problem]:
    problems = []
    deps = {}
    for path, line, module, below, libraries in declared_modules(files):
        deps[module] = set(below)
        if module not in LEVEL:
            problems.append(Problem(path, line, f"module {module} stands on no level of LAYERS"))
        problems += [Problem(path, line, f"{module} may not depend on {d}: arrows only point down")
                     for d in below if not may_see(module, d)]
        problems += [Problem(path, line, f"only {owner} links {library}, not {module}")
                     for library in libraries for pattern, owner in CMAKE_OWNERS
                     if re.search(pattern, library) and owner != module]
    for path, text in files.items():
        module = module_of(path)
        if not module or not path.endswith((".cpp", ".hpp")):
            continue
        for line, included in includes(text):
            other = included.split("/")[0]
            if other in LEVEL and other != module and "/" in included:
                problems += include_problem(path, line, module, other, deps)
            for pattern, owner in OWNERS:
                if re.search(pattern, included) and module != owner:
                    problems.append(Problem(path, line, f"only {owner} includes {included}"))
    return problems


def include_problem(path, line, module, other, deps) -> list[Problem]:
    if not may_see(module, other):
        return [Problem(path, line, f"{module} may not include {other}: arrows only point down")]
    reachable, queue = set(), [module]
    while queue:
        for dep in deps.get(queue.pop(), ()):
            if dep not in reachable:
                reachable.add(dep)
                queue.append(dep)
    if module in deps and other not in reachable:
        return [Problem(path, line, f"{module} includes {other}, which is not in its DEPS")]
    return []


def check_bans(files: dict[str, str], ratchet: dict[str, int]) -> list[Problem]:
    problems, left = [], dict(ratchet)
    for path, text in files.items():
        code = None
        for ban in BANS:
            if not ban.where.search(path):
                continue
            if code is None:
                code = cpp_text.bare(text) if path.endswith((".cpp", ".hpp")) else text
            for match in ban.pattern.finditer(text if ban.literals else code):
                line, said = text.count("\n", 0, match.start()) + 1, match.group().strip()
                key = f"ban {path} {said}"
                if left.get(key, 0) > 0:
                    left[key] -= 1
                else:
                    problems.append(Problem(path, line, f"{said}: {ban.instead}"))
        if path.endswith(CODE) or path == "dev":
            problems += [Problem(path, number, "a character outside ASCII: write an escape")
                         for number, line in enumerate(text.splitlines(), 1) if not line.isascii()]
        if path.endswith(".hpp") and not text.startswith(("//", "/*")):
            problems.append(Problem(path, 1, "a header opens with a comment: what, who, invariants"))
    problems += [Problem("tools/tidy_ratchet.txt", 1, f"{key}: {count} fewer by now: say so")
                 for key, count in left.items() if key.startswith("ban ") and count]
    return problems


def sizes(files: dict[str, str]) -> dict[str, tuple[int, str, int]]:
    """What is too large: "rule path name" -> (size, path, line)."""
    public = {inc for path, text in files.items() if path.endswith((".cpp", ".hpp"))
              for _, inc in includes(text) if "/" in inc and module_of(path) != inc.split("/")[0]}
    over = {}
    for path, text in files.items():
        lines = text.count("\n")
        if path.endswith((".cpp", ".hpp", ".py", ".ts", ".java")) and lines > FILE_LINES_MAX:
            over[f"file {path} -"] = (lines, path, 1)
        if path.endswith(".hpp") and path.removeprefix("src/") in public:
            if lines > PUBLIC_HEADER_LINES_MAX:
                over[f"header {path} -"] = (lines, path, 1)
        if path.endswith((".cpp", ".hpp")):
            for function in cpp_text.functions(text):
                if function.lines > FUNCTION_LINES_MAX:
                    over[f"function {path} {function.name}"] = (function.lines, path, function.line)
    return over


def read_ratchet(text: str) -> dict[str, int]:
    entries = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            key, _, size = line.rpartition(" ")
            entries[key] = int(size)
    return entries


def check_sizes(files: dict[str, str], ratchet: dict[str, int]) -> list[Problem]:
    limits = {"file": FILE_LINES_MAX, "header": PUBLIC_HEADER_LINES_MAX,
              "function": FUNCTION_LINES_MAX}
    over, problems = sizes(files), []
    for key, (size, path, line) in over.items():
        rule, _, name = key.split(" ", 2)
        limit = limits[rule]
        allowed = ratchet.get(key, limit)
        if size > allowed:
            what = name if rule == "function" else rule
            problems.append(Problem(path, line, f"{what}: {size} lines, at most {allowed}: "
                                                "take a part out that has a name"))
        elif size < allowed:
            problems.append(Problem("tools/tidy_ratchet.txt", 1, f"{key} is {size} by now: say so"))
    problems += [Problem("tools/tidy_ratchet.txt", 1, f"{key} is fine by now: take the line out")
                 for key in ratchet if key not in over and not key.startswith("ban ")]
    return problems


def check_ratchet_shrinks(before: dict[str, int], now: dict[str, int]) -> list[Problem]:
    return [Problem("tools/tidy_ratchet.txt", 1, f"{key} {size}: this file may only shrink")
            for key, size in now.items() if size > before.get(key, 0)]


def check_ratchet_history() -> list[Problem]:
    """The last commit may let the ratchet grow only by saying why: a line "Ratchet-Grows: ..."."""
    def committed(revision):
        done = subprocess.run(["git", "show", f"{revision}:{RATCHET.relative_to(ROOT)}"], cwd=ROOT,
                              capture_output=True, text=True)
        return read_ratchet(done.stdout) if done.returncode == 0 else None

    before, now = committed("HEAD~1"), committed("HEAD")
    message = subprocess.run(["git", "log", "-1", "--format=%B"], cwd=ROOT, capture_output=True,
                             text=True).stdout
    if before is None or now is None or re.search(r"^Ratchet-Grows: \S", message, re.MULTILINE):
        return []
    return check_ratchet_shrinks(before, now)


def check_paths(files: dict[str, str]) -> list[Problem]:
    """Paths that the prose names in backticks exist."""
    pattern = re.compile(r"`((?:src|tests|tools|docs|bench|fuzz|examples|deploy|cmake|web|client)"
                         r"/[\w./-]+)`")
    problems = []
    for path, text in files.items():
        if not path.endswith(".md"):
            continue
        for match in pattern.finditer(text):
            named = match.group(1)
            near = Path(path).parent / named
            if not (ROOT / named).exists() and not (ROOT / near).exists():
                line = text.count("\n", 0, match.start()) + 1
                problems.append(Problem(path, line, f"{named} does not exist"))
    return problems


def check_tree() -> list[Problem]:
    files = {}
    for path in tracked():
        try:
            files[path] = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue  # binary
    ratchet = read_ratchet(RATCHET.read_text()) if RATCHET.exists() else {}
    problems = check_layers(files) + check_bans(files, ratchet) + check_sizes(files, ratchet)
    return sorted(problems + check_paths(files) + check_ratchet_history())
