"""Which filesystem a folder is on: what the kernel says in /proc/self/mountinfo, and where events cannot be relied on.

Source: proc_pid_mountinfo(5) for the table, proc_pid_fdinfo(5) for the mount that an open folder belongs to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

# Where others than this machine's own programs write: inotify hears nothing of them.
_SHARES = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "auristorfs", "coda", "ncpfs", "ceph", "lustre"),
        *("glusterfs", "beegfs", "gpfs", "gfs", "gfs2", "ocfs2", "ocfs2_dlmfs", "orangefs", "pvfs2", "panfs"),
        *("acfs", "vboxsf", "vmhgfs", "prl_fs", "virtiofs", "drvfs", "davfs", "davfs2", "sshfs", "autofs"),
    ]
)
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table. `number` is the kernel's; `point` an absolute path; `kind` such as ext4, nfs4, fuse.x.

    `root` is the folder of the filesystem that is seen at `point`, `source` the device or the share that it is on.
    """

    number: int
    point: str
    kind: str
    root: str = "/"
    source: str = ""

    @property
    def shared(self) -> bool:
        """Whether files may change here without any program of this machine doing it."""
        # FUSE stands for anything from a share to a pool of disks behind its back; fuseblk is a local disk.
        return self.kind in _SHARES or self.kind == "fuse" or self.kind.startswith("fuse.")

    def beneath(self, folder: str) -> bool:
        """Whether the mount's point is in `folder` (an absolute path without links), at any depth."""
        return self.point.startswith(folder.rstrip("/") + "/") and self.point != folder


def parse(table: bytes) -> list[Mount]:
    """The mounts of a mountinfo table, in its order; lines that are none are passed over."""
    found = []
    for line in table.splitlines():
        before, _, after = line.partition(b" - ")
        fields, (kind, source, *_) = before.split(b" "), [*after.split(b" "), b""]
        if len(fields) >= 6 and fields[0].isdigit() and kind:
            texts = [_unescaped(text) for text in (fields[4], kind, fields[3], source)]
            found.append(Mount(int(fields[0]), *texts))
    return found


def _unescaped(text: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match.group(1), 8) & 255]), text))


def table() -> list[Mount]:
    """The mounts that this process sees, never waiting for any of them; empty where the system does not tell."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            return parse(file.read())
    except OSError:
        return []


def number_of(descriptor: int) -> int | None:
    """The number of the mount that an open file or folder is on, None where the system does not tell."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
            found = re.search(rb"^mnt_id:\s*(\d+)", file.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def of_number(mounts: Iterable[Mount], number: int | None) -> Mount | None:
    """The mount of that number."""
    return next((mount for mount in mounts if mount.number == number), None)
