"""./dev build: configure when needed, then ninja, with ccache where it is installed."""

import os
import shutil

from tools import shell
from tools.shell import BUILD, ROOT

PRESETS = ("release", "debug", "asan", "tsan", "fuzz", "coverage")


def compiler_cache() -> dict[str, str]:
    """Environment that puts ccache in front of the compiler; empty without ccache."""
    if not shutil.which("ccache"):
        return {}
    return {"CMAKE_C_COMPILER_LAUNCHER": os.environ.get("CMAKE_C_COMPILER_LAUNCHER", "ccache"),
            "CMAKE_CXX_COMPILER_LAUNCHER": os.environ.get("CMAKE_CXX_COMPILER_LAUNCHER", "ccache"),
            "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1"}


def configure(preset: str, env: dict[str, str]) -> None:
    """A build folder follows its CMakeLists by itself; only new ones and new presets need us."""
    ninja, cache = BUILD / preset / "build.ninja", BUILD / preset / "CMakeCache.txt"
    presets = ROOT / "CMakePresets.json"
    if ninja.exists() and cache.exists() and presets.stat().st_mtime <= ninja.stat().st_mtime:
        return
    shell.run(["cmake", "--preset", preset], env=env, rerun=f"cmake --preset {preset}", quiet=True)


def build(preset: str = "release", targets: tuple[str, ...] = ()) -> None:
    if preset not in PRESETS:
        raise shell.Failed(f"no preset {preset}: one of {', '.join(PRESETS)}", status=2)
    env = compiler_cache()
    configure(preset, env)
    command = ["cmake", "--build", "--preset", preset, "-j", str(shell.cores())]
    if targets:
        command += ["--target", *targets]
    shell.run(command, env=env, rerun=f"./dev build {' '.join((preset, *targets))}")


def binary(preset: str = "release"):
    """The howdah program of a preset: HOWDAH_BIN, or build/<preset>/howdah."""
    named = os.environ.get("HOWDAH_BIN")
    return ROOT / named if named else BUILD / preset / "howdah"
