"""Small and read-only disks, in a mount namespace of the bench's own: they end with it, however it ends."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import time

INSIDE = "COLORWATCH_TORTURE_INSIDE"


@functools.cache
def namespace() -> tuple[str, ...]:
    """The words before a command that give it mounts of its own; empty where that cannot be had."""
    if shutil.which("unshare") is None:
        return ()
    for way in (("unshare", "-m"), ("unshare", "-rm")):
        test = [*way, "sh", "-c", "mount -t tmpfs none /mnt"]
        if subprocess.run(test, capture_output=True, check=False, timeout=20).returncode == 0:
            return way
    return ()


def inside() -> bool:
    return os.environ.get(INSIDE) == "1"


def enter(arguments: list[str]) -> None:
    """Runs this program anew with mounts of its own, where it does not run so yet and can."""
    if not inside() and (way := namespace()):
        os.execvpe(way[0], [*way, sys.executable, *arguments], {**os.environ, INSIDE: "1"})


def bind(source: str, path: str) -> None:
    """The folder `source` shows at `path` too."""
    _mount("--bind", source, path)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=20)


def small_disk(path: str, megabytes: int) -> None:
    """A tmpfs over the folder `path`."""
    os.makedirs(path, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "none", path)


def own_mount(path: str) -> None:
    """Makes a folder a mount point of itself, so that it can become read-only."""
    _mount("--bind", path, path)


def read_only(path: str) -> None:
    """Waits for a moment in which nobody has a file open for writing there: the kernel refuses until then."""
    for _ in range(500):
        with contextlib.suppress(subprocess.CalledProcessError):
            _mount("-o", "remount,bind,ro", path)
            return
        time.sleep(0.005)
    raise AssertionError(f"{path} is never at rest")


def writable(path: str) -> None:
    _mount("-o", "remount,bind,rw", path)


def take_off(path: str) -> None:
    """Away with the mount, though it is in use."""
    with contextlib.suppress(subprocess.SubprocessError):
        subprocess.run(["umount", "-l", path], check=True, capture_output=True, timeout=20)
