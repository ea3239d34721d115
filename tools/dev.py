"""./dev: the one script. Each command is a function below; its docstring is its help."""

import os
import sys

from tools import shell
from tools.shell import BUILD, Failed

EXAMPLES = """\
  ./dev up                     the demo: PostgreSQL, two replicas, howdah, sample data, a load
  ./dev test                   everything, from a fresh machine: what CI runs
  ./dev test pool              only what has "pool" in its name
  ./dev build asan             build/asan/howdah with address and undefined-behaviour sanitizers
  ./dev build debug test_sql   one target
  ./dev psql -c 'show pools' howdah"""


def setup(arguments):
    """setup                      install the Debian packages in tools/packages.txt"""
    from tools import packages
    packages.setup()


def up(arguments):
    """up [--scale N] [--fresh]   start the demo; Ctrl-C stops all of it"""
    from tools import demo
    return demo.main(arguments)


def build(arguments):
    """build [PRESET] [TARGET..]  release (the default), debug, asan, tsan, fuzz, coverage, profile"""
    setup([])
    from tools import build as builder
    builder.build(arguments[0] if arguments else "release", tuple(arguments[1:]))


def test(arguments):
    """test [FILTER]              build and run every test, or those whose name has FILTER"""
    setup([])
    from tools import run_tests
    return run_tests.main(arguments)


def check(arguments):
    """check                      formatting, layers, sizes, bans: seconds, no build"""
    setup([])
    from tools import checks
    return checks.check()


def fmt(arguments):
    """fmt                        format the C++ sources in place"""
    setup([])
    from tools import checks
    checks.fmt()


def sim(arguments):
    """sim [--seed N]             the deterministic simulation; a failure prints its seed"""
    setup([])
    from tools import runners
    return runners.sim(arguments)


def fuzz(arguments):
    """fuzz [TARGET] [SECONDS]    without TARGET: lists them"""
    setup([])
    from tools import runners
    return runners.fuzz(arguments)


def soak(arguments):
    """soak [MINUTES] [PRESET]    a mixed load on howdah under asan (the default) or tsan"""
    setup([])
    from tools import runners
    return runners.soak(arguments)


def bench(arguments):
    """bench NAME [ARGUMENT..]    runs bench/NAME.py; without NAME: lists them"""
    from tools import runners
    if arguments and not {"-h", "--help"} & set(arguments):
        build([])
    return runners.bench(arguments)


def profile(arguments):
    """profile                    a new cmake/query_path.profdata, which optimised builds read"""
    build(["profile", "howdah"])
    from tools import runners
    return runners.profile()


def package(arguments):
    """package                    a Debian package of the optimised build, under build/"""
    build([])
    from tools import deb
    return deb.main()


def psql(arguments):
    """psql [ARGUMENT..]          psql on the running demo, through howdah"""
    from tools import demo
    return demo.psql(arguments)


def doctor(arguments):
    """doctor                     tools, versions and what the kernel allows here"""
    from tools import doctor as examiner
    return examiner.main()


def new(arguments):
    """new module NAME WHAT...    the files that a new module starts with"""
    from tools import scaffold
    return scaffold.main(arguments)


COMMANDS = {f.__name__: f for f in
            (setup, up, build, test, check, fmt, sim, fuzz, soak, bench, profile,
             package, psql, doctor, new)}

OWN_HELP = {"up", "bench", "psql"}  # they say more than a line


def usage() -> str:
    lines = "\n".join("  ./dev " + f.__doc__ for f in COMMANDS.values())
    return f"usage: ./dev COMMAND\n\n{lines}\n\nexamples:\n{EXAMPLES}\n"


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(usage(), end="")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        shell.warn(f"./dev: no command {name}\n\n{usage()}")
        return 2
    if {"-h", "--help"} & set(rest) and name not in OWN_HELP:
        print(f"usage: ./dev {COMMANDS[name].__doc__}")
        return 0
    os.umask(0o022)
    BUILD.mkdir(exist_ok=True)
    try:
        return COMMANDS[name](rest) or 0
    except Failed as failure:
        shell.warn(f"./dev {name}: {failure}")
        if failure.rerun:
            shell.warn(f"rerun: {failure.rerun}")
        return failure.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
