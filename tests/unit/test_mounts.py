"""The kernel's table of mounts, and which filesystems others can change unheard."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorwatch.watching import mounts
from colorwatch.watching.mounts import Mount

TABLE = (
    b"22 28 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n"
    b"28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
    b"61 28 0:52 / /srv/our\\040scans rw,relatime shared:30 master:2 - cifs //nas/scans rw,vers=3.1.1\n"
    b"62 28 0:53 /sub /srv/\\134odd\\012name\xff rw - fuse.rclone remote: rw\n"
    b"63 28 0:54 / /mnt rw propagate_from:2 - nfs4 nas:/export rw\n"
    b"a line that is none\n"
    b"64\n"
)


def test_lines_are_read_with_their_escapes_and_optional_fields() -> None:
    assert mounts.parse(TABLE) == [
        Mount(22, "/proc", "proc", "/", "proc"),
        Mount(28, "/", "ext4", "/", "/dev/nvme0n1p2"),
        Mount(61, "/srv/our scans", "cifs", "/", "//nas/scans"),
        Mount(62, os.fsdecode(b"/srv/\\odd\nname\xff"), "fuse.rclone", "/sub", "remote:"),
        Mount(63, "/mnt", "nfs4", "/", "nas:/export"),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_fault(table: bytes) -> None:
    assert all(mount.kind for mount in mounts.parse(table))


@pytest.mark.parametrize(
    "kind",
    [
        *("cifs", "smb3", "nfs", "nfs4", "9p", "virtiofs", "vboxsf", "ceph", "glusterfs", "lustre", "afs", "autofs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.mergerfs", "fuse.vmhgfs-fuse", "fuse", "drvfs"),
    ],
)
def test_shares_and_the_like_can_be_changed_unheard(kind: str) -> None:
    assert Mount(1, "/", kind).shared


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "vfat", "exfat", "f2fs"]
)
def test_disks_of_this_machine_cannot(kind: str) -> None:
    assert not Mount(1, "/", kind).shared


def test_what_is_beneath_a_folder_is_told_from_what_is_beside_it() -> None:
    assert Mount(1, "/srv/in/album", "cifs").beneath("/srv/in")
    assert Mount(1, "/srv", "cifs").beneath("/")
    assert not Mount(1, "/srv/in", "cifs").beneath("/srv/in")
    assert not Mount(1, "/srv/inbox", "cifs").beneath("/srv/in")
    assert not Mount(1, "/", "ext4").beneath("/")


def test_an_open_folder_is_found_in_the_table_of_this_system() -> None:
    descriptor = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        mount = mounts.of_number(mounts.table(), mounts.number_of(descriptor))
    finally:
        os.close(descriptor)
    assert mount is not None
    assert (mount.point, mount.kind) == ("/proc", "proc")
    assert mounts.number_of(descriptor) is None, "it is closed now"
    assert mounts.of_number([], 3) is None
