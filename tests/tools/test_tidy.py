"""tools/tidy.py: the tree is clean, and each rule catches what it is for."""

import re

import pytest

from tools import cpp_text, tidy
from tools.shell import ROOT

CMAKE = {"src/pool/CMakeLists.txt": "howdah_module(pool DEPS base wire)\n",
         "src/wire/CMakeLists.txt": "howdah_module(wire DEPS base)\n",
         "src/base/CMakeLists.txt": "howdah_module(base)\n"}


def messages(problems):
    return [p.message for p in problems]


def test_the_tree_is_clean():
    assert [str(p) for p in tidy.check_tree()] == []


@pytest.mark.parametrize(("path", "text", "message"), [
    ("src/wire/x.cpp", '#include "pool/pool.hpp"\n', "wire may not include pool"),
    ("src/proxy/x.cpp", '#include "insight/observe.hpp"\n', "proxy may not include insight"),
    ("src/pool/x.cpp", '#include "net/loop.hpp"\n', "pool includes net, which is not in its DEPS"),
    ("src/pool/x.cpp", "#include <libpq-fe.h>\n", "only pg includes libpq-fe.h"),
    ("src/proxy/x.cpp", "#include <sqlite3.h>\n", "only store includes sqlite3.h"),
    ("src/proxy/x.cpp", "#include <sys/epoll.h>\n", "only net includes sys/epoll.h"),
    ("src/monitor/x.cpp", "#include <boost/beast/http.hpp>\n", "only web includes boost/beast"),
    ("src/insight/x.cpp", '#include "pg_query.h"\n', "only sql includes pg_query.h"),
    ("src/cache/CMakeLists.txt", "howdah_module(cache DEPS base proxy)",
     "cache may not depend on proxy"),
    ("src/cache/CMakeLists.txt", "howdah_module(cache LIBS pg_query)", "only sql links pg_query"),
    ("src/gadget/CMakeLists.txt", "howdah_module(gadget)", "module gadget stands on no level"),
])
def test_layers_and_owners(path, text, message):
    found = messages(tidy.check_layers({**CMAKE, path: text}))
    assert len(found) == 1 and found[0].startswith(message)


@pytest.mark.parametrize(("path", "text"), [
    ("src/pool/x.cpp", '#include "wire/frame.hpp"\n#include "base/result.hpp"\n'),
    ("src/pool/x.cpp", "#include <vector>\n"), ("src/net/x.cpp", "#include <liburing.h>\n"),
    ("tests/sim/x.cpp", '#include "proxy/session.hpp"\n'),
])
def test_what_layers_allow(path, text):
    assert tidy.check_layers({**CMAKE, path: text}) == []


@pytest.mark.parametrize(("path", "text", "part"), [
    ("src/a/x.hpp", "// x\nusing namespace std;\n", "name what you use"),
    ("src/a/x.cpp", "auto t = std::chrono::steady_clock::now();\n", "from the caller"),
    ("src/a/x.cpp", "int r = rand();\n", "base/prng.hpp"),
    ("src/a/x.cpp", "auto* p = new Thing();\n", "std::make_unique"),
    ("src/a/x.cpp", "#define TOML_EXCEPTIONS 0\n", "two layouts"),
    ("src/a/x_test.cpp", "std::this_thread::sleep" "_for(1s);\n", "wait for the condition"),
    ("tests/x.py", "time.sle" "ep(1)\n", "wait for the condition"),
    ("docs/x.md", "TO" "DO: more\n", "open an issue"),
    ("src/a/x.cpp", "// FIX" "ME\n", "open an issue"),
    ("src/a/x.cpp", "auto s = \"\u00e4\";\n", "outside ASCII"),
    ("src/a/x.hpp", "#pragma once\n", "opens with a comment"),
    ("tests/lock.json", "https://registry.npm" "js.org/pg\n", "package registry"),
])
def test_bans(path, text, part):
    found = tidy.check_bans({path: text}, {})
    assert len(found) == 1 and part in found[0].message


@pytest.mark.parametrize(("path", "text"), [
    ("src/a/x.cpp", "// a new Thing, rand(), using namespace\n"),
    ("src/a/x.cpp", 'log("a new Thing");\n'), ("src/a/x.cpp", "using namespace std::literals;\n"),
    ("src/base/clock.cpp", "return std::chrono::steady_clock::now();\n"),
    ("src/a/x.cpp", "::new (place) Thing;\n"), ("src/a/x_test.cpp", "co_await loop.sle" "ep(1ms);\n"),
    ("docs/x.md", "caf\u00e9\n"),
])
def test_what_bans_allow(path, text):
    assert tidy.check_bans({path: text}, {}) == []


def test_a_ban_in_the_ratchet_holds_for_as_many_as_it_says():
    text = {"src/a/x.cpp": "auto* a = new A;\nauto* b = new A;\n"}
    assert tidy.check_bans(text, {"ban src/a/x.cpp new A": 2}) == []
    assert len(tidy.check_bans(text, {"ban src/a/x.cpp new A": 1})) == 1
    assert "1 fewer" in messages(tidy.check_bans(text, {"ban src/a/x.cpp new A": 3}))[0]


def lines(count):
    return "".join(f"    step({n});\n" for n in range(count))


def test_function_length_counts_from_the_signature_to_the_brace():
    text = f"namespace a {{\nint f(int x,\n      int y) {{\n{lines(66)}}}\n}}  // namespace a\n"
    assert cpp_text.functions(text) == [("f", 2, 69)]
    assert tidy.check_sizes({"src/a/x.cpp": text}, {}) == []
    longer = text.replace("    step(1);\n", "    step(1);\n" * 5)
    assert "f: 73 lines, at most 70" in messages(
        tidy.check_sizes({"src/a/x.cpp": longer}, {}))[0]


@pytest.mark.parametrize(("text", "names"), [
    ("Task<void> Session::run(Stream s) {\n}\n", ["Session::run"]),
    ("class A {\n  public:\n    A() : x_(1) {}\n    int x() const { return x_; }\n};\n", ["A", "x"]),
    ("TEST(Ring, Wraps) {\n    auto f = [](int n) { return n; };\n}\n", ["Ring.Wraps"]),
    ("struct A { int x = 1; };\nenum class B { kX };\nint table[] = {1, 2};\n", []),
    ("#define M(x)   \\\n    do {       \\\n    } while (0)\nvoid g() { M(1); }\n", ["g"]),
    ("const char* s = \"{ f() {\";\nint n = 1'000'000;\nvoid h() {}\n", ["h"]),
])
def test_functions_are_found(text, names):
    assert [f.name for f in cpp_text.functions(text)] == names


def test_public_headers_are_shorter_than_private_ones():
    header = "// a\n" + "int x;\n" * 250
    private = {"src/pool/a.hpp": header, "src/pool/a.cpp": '#include "pool/a.hpp"\n'}
    assert tidy.check_sizes(private, {}) == []
    public = {**private, "src/proxy/b.cpp": '#include "pool/a.hpp"\n'}
    assert "header: 251 lines, at most 200" in messages(tidy.check_sizes(public, {}))[0]


def test_ratchet_holds_and_only_shrinks():
    text = {"src/a/x.cpp": f"void f() {{\n{lines(78)}}}\n"}
    key = "function src/a/x.cpp f"
    assert tidy.check_sizes(text, {key: 80}) == []
    assert "80 lines, at most 79" in messages(tidy.check_sizes(text, {key: 79}))[0]
    assert "is 80 by now" in messages(tidy.check_sizes(text, {key: 81}))[0]
    assert "take the line out" in messages(tidy.check_sizes({}, {key: 80}))[0]
    assert tidy.check_ratchet_shrinks({key: 80}, {key: 79}) == []
    assert len(tidy.check_ratchet_shrinks({key: 80}, {key: 81})) == 1
    assert len(tidy.check_ratchet_shrinks({}, {key: 80})) == 1


def test_paths_in_the_prose_exist():
    files = {"ARCHITECTURE.md": "see `tools/tidy.py` and\n`src/no_such/x.hpp`\n"}
    found = tidy.check_paths(files)
    assert [(p.line, p.message) for p in found] == [(2, "src/no_such/x.hpp does not exist")]


def test_the_table_of_modules_is_the_tree():
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert {name for _, name in rows} == {p.parent.name for p in ROOT.glob("src/*/CMakeLists.txt")}
    assert [int(level) for level, _ in rows] == sorted(tidy.LEVEL[name] for _, name in rows)
    for level, name in rows:
        assert tidy.LEVEL[name] == int(level), name
