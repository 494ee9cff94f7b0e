"""What is never a scan, whatever it looks like; and nothing else is passed over."""

from __future__ import annotations

import stat

import pytest

from colorwatch.watching.litter import is_litter, named_as_picture, why_ignored


@pytest.mark.parametrize(
    "name",
    [
        # file servers
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", ".@__thumb", ".zfs", ".snapshot"),
        *("~snapshot", "lost+found", ".Trash-1000", ".recycle", "scan.jpg@SynoEAStream", "scan.jpg@SynoResource"),
        *(".nfs000000000001", ".fuse_hidden0001", ".smbdeleteAAA1"),
        # desktops
        *("Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "RECYCLER", "System Volume Information"),
        *(".DS_Store", "._scan.jpg", ".AppleDouble", "__MACOSX", "Icon\r", ".Spotlight-V100", "Temporary Items"),
        *("scan.jpg:Zone.Identifier", "scan.jpg:AFP_AfpInfo", ".directory", ".goutputstream-ABC"),
        # sync tools
        *(".stfolder", ".stversions", ".syncthing.scan.jpg.tmp", "~syncthing~scan.jpg.tmp", "x.syncthing.y"),
        *(".dropbox.cache", ".dropbox.attr", ".sync_1234.db", ".owncloudsync.log", ".scan.jpg.~1a2b", "scan.jpg.!sync"),
        *(".unison.scan.jpg.123.unison.tmp", ".scan.jpg.Xa12Bc", ".~tmp~", ".rsync-partial", ".tmp.driveupload"),
        *("_gsdata_", "scan.jpg.gstmp", "sync.ffs_db", "scan.jpg.ffs_tmp"),
        # half-done transfers
        *("scan.jpg.tmp", "scan.TMP", "scan.jpg.part", "scan.jpg.partial", "scan.jpg.filepart", "scan.jpg.crdownload"),
        *("scan.jpg.download", "scan.jpg.opdownload", ".in.scan.jpg.", ".pureftpd-upload.123", "scan.jpg.uploading"),
        *("~$scan.jpg", "scan.jpg~", ".scan.jpg.swp", "scan.jpg.lock"),
        # our own
        *(".colorwatch-3.aside", ".colorwatch", ".colorwatch-canary"),
    ],
)
def test_is_litter(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize(
    "name",
    [
        *("scan.jpg", "SCAN.TIF", "tmp.jpg", "part.png", "Thumbs.db.jpg", "recycle", "thumbs", "#1.jpg", "@home.jpg"),
        *("~mother.jpg", "scan.sync-conflict-20261122-101500-ABCDEFG.jpg", "scan (conflicted copy).jpg", "lock.jpg"),
        *("Scan.jpeg.jpg", "$100.jpg", "[1].jpg", "scan", "download", "__.jpg", "Originals", "trash", "\udcff.jpg"),
    ],
)
def test_is_none(name: str) -> None:
    assert not is_litter(name)


def test_names_of_pictures_are_known_in_any_case() -> None:
    assert named_as_picture("a/B.JPG")
    assert not named_as_picture("a.jpg/b")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        *((stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "fifo"), (stat.S_IFSOCK, "socket")),
        *((stat.S_IFBLK, "block device"), (stat.S_IFCHR, "character device"), (0, "not a regular file")),
    ],
)
def test_what_is_no_file_has_a_sentence(kind: int, words: str) -> None:
    assert words in why_ignored("x.jpg", kind | 0o644, recursive=True)


def test_a_folder_has_one_only_with_the_name_of_a_picture() -> None:
    assert why_ignored("album", stat.S_IFDIR, recursive=True) == ""
    assert "count as usual" in why_ignored("x.jpg", stat.S_IFDIR, recursive=True)
    assert "not looked at" in why_ignored("x.jpg", stat.S_IFDIR, recursive=False)
