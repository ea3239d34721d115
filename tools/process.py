"""Starting and stopping servers: unprivileged, in their own session, gone when we are gone.

1. PostgreSQL refuses to run as root, so as root every server runs as `postgres` (or `nobody`).
2. Each server is told by the kernel when the process that started it dies, whatever the reason:
   a ./dev that was killed with -9 leaves nothing running.
3. Servers are stopped by their process id, never by a name.
"""

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tools.shell import BUILD, ROOT, Failed

STOP_SECONDS_MAX = 20


def server_user() -> str:
    """The user that servers run as when we are root; empty when we are not."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    raise Failed("neither user postgres nor nobody exists to run servers as", "./dev setup")


def unprivileged(command, *, on_parent_death: str = "") -> list[str]:
    """`command`, run as the server user when we are root."""
    prefix = ["setpriv"]
    user = server_user()
    if user:
        group = str(pwd.getpwnam(user).pw_gid)
        prefix += [f"--reuid={user}", f"--regid={group}", "--init-groups"]
    if on_parent_death:
        prefix += ["--pdeathsig", on_parent_death]
    return [*prefix, *map(str, command)] if len(prefix) > 1 else [str(p) for p in command]


def run(command, *, env: dict | None = None) -> str:
    """Runs a short command as the server user and returns what it prints."""
    done = subprocess.run(unprivileged(command), cwd="/", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**clean_environment(), **(env or {})})
    if done.returncode != 0:
        raise Failed(f"{Path(str(command[0])).name} ended with {done.returncode}: "
                     f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """The environment without PG* variables: what is connected to is always said explicitly."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG") or k == "PGTZ"}


def spawn(command, log: Path, *, env: dict | None = None, keep_user: bool = False,
          on_parent_death: str = "INT", close_fds: bool = True) -> subprocess.Popen:
    """Starts a server in its own session, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if keep_user:
        full = ["setpriv", "--pdeathsig", on_parent_death, *map(str, command)]
    else:
        full = unprivileged(command, on_parent_death=on_parent_death)
    with open(log, "ab") as out:
        return subprocess.Popen(full, cwd="/", stdin=subprocess.DEVNULL, stdout=out,
                                stderr=subprocess.STDOUT, start_new_session=True,
                                close_fds=close_fds, env={**clean_environment(), **(env or {})})


def stop(process: subprocess.Popen, first: int = signal.SIGTERM,
         seconds: float = STOP_SECONDS_MAX) -> None:
    """Asks with `first`, and ends the whole group by force if it has not gone in time."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def wait_until(condition, seconds: float, what: str, *, step: float = 0.01):
    """Waits for `condition` to return something true and returns it; Failed when it is late."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"no {what} after {seconds:g} s")
        time.sleep(step)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def give_to_server_user(path: Path) -> None:
    user = server_user()
    if user:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def can_reach(path: Path) -> bool:
    """Whether the server user can enter `path` (it cannot in a clone under /root)."""
    return subprocess.run(unprivileged(["test", "-x", path]), cwd="/").returncode == 0


def server_folder(name: str) -> Path:
    """A folder for servers' data, owned by the server user: build/<name>.

    Where that user cannot reach the build folder, the data stands under /var/tmp and build/<name>
    is a link to it.
    """
    place = BUILD / name
    BUILD.mkdir(exist_ok=True)
    if place.exists():
        return place.resolve()
    if can_reach(BUILD):
        place.mkdir(mode=0o755, parents=True)
        give_to_server_user(place)
        return place
    mark = hashlib.sha256(str(ROOT).encode()).hexdigest()[:10]
    outside = Path(f"/var/tmp/howdah-{os.getuid()}-{mark}") / name
    outside.mkdir(parents=True, exist_ok=True)
    give_to_server_user(outside)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    return outside
