"""./dev build: configure when needed, then ninja, with ccache where it is installed."""

import os
import shutil

from tools import shell
from tools.shell import BUILD, ROOT

PRESETS = ("release", "debug", "asan", "tsan", "fuzz", "coverage", "profile")


def compiler_cache() -> dict[str, str]:
    """Environment that puts ccache in front of the compiler; empty without ccache."""
    if not shutil.which("ccache"):
        return {}
    return {"CMAKE_C_COMPILER_LAUNCHER": os.environ.get("CMAKE_C_COMPILER_LAUNCHER", "ccache"),
            "CMAKE_CXX_COMPILER_LAUNCHER": os.environ.get("CMAKE_CXX_COMPILER_LAUNCHER", "ccache"),
            "CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1",
            # cmake/precompiled.cmake
            "CCACHE_SLOPPINESS": "pch_defines,time_macros", "CCACHE_PCH_EXTSUM": "1"}


def folders() -> str:
    """The folders that bring a CMakeLists.txt, one a line: CMake itself does not see new ones."""
    found = [*ROOT.glob("src/*/CMakeLists.txt"), *ROOT.glob("*/CMakeLists.txt")]
    return "".join(f"{path.parent.relative_to(ROOT)}\n" for path in sorted(found))


def configure(preset: str, env: dict[str, str]) -> None:
    """A build folder follows its CMakeLists by itself; what it does not see is looked at here."""
    ninja, known = BUILD / preset / "build.ninja", BUILD / preset / "folders.txt"
    presets = ROOT / "CMakePresets.json"
    if (ninja.exists() and known.exists() and known.read_text() == folders()
            and presets.stat().st_mtime <= ninja.stat().st_mtime):
        return
    shell.run(["cmake", "--preset", preset], env=env, rerun=f"cmake --preset {preset}", quiet=True)
    known.write_text(folders())


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
