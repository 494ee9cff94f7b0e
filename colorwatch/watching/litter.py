"""Names in an inbox that are never scans: hidden files, half-done transfers, what file servers and desktops leave."""

from __future__ import annotations

import stat

# All in lower case. Names that begin with a dot need no entry; _BEGINNINGS covers them all.
_NAMES = frozenset(
    [
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap"),  # Synology
        *("@recycle", "@recently-snapshot"),  # QNAP
        *("~snapshot", "~snap", "lost+found"),  # other file servers and disks
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # Windows
        *("$recycle.bin", "recycler", "recycled", "system volume information"),
        *("__macosx", "icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder"),  # macOS
        *("_gsdata_", "sync.ffs_db", "sync.ffs_lock"),  # GoodSync, FreeFileSync
    ]
)
_ENDINGS = (
    *(".tmp", ".temp", ".part", ".partial", ".filepart", ".incomplete", ".inprogress", ".uploading", ".writing"),
    *(".crdownload", ".opdownload", ".download", ".aria2", ".!qb", ".!ut", ".bc!"),  # browsers, downloads
    *(".!sync", ".bts", ".gstmp", ".ffs_tmp", ".ffs_batch", ".ffs_lock"),  # Resilio, GoodSync, FreeFileSync
    *(".swp", ".swx", ".kate-swp", ".lock", ".lck", "~"),  # editors, and their copies
    *("@synoeastream", "@synoresource", ":zone.identifier", ":afp_afpinfo", ":afp_resource"),  # streams as files
)
# The dot covers .DS_Store, ._*, .stfolder, .syncthing.*, .zfs, .@__thumb, .Trash-1000, .nfs*, rsync's, and our own.
_BEGINNINGS = (".", "~$", "~syncthing~")
_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"),
    *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".pdf", ".pnm", ".pgm", ".ppm"),
)


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe (fifo)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name (one part of a path) is passed over, with all that is in it."""
    folded = name.casefold()
    return folded.startswith(_BEGINNINGS) or folded.endswith(_ENDINGS) or folded in _NAMES or ".syncthing." in folded


def named_as_picture(path: str) -> bool:
    """Whether the name's ending is one that pictures have."""
    return path.lower().endswith(_PICTURES)


def why_ignored(path: str, mode: int, *, recursive: bool) -> str:
    """One sentence for what is no regular file and has a place where a scan could be; "" for an ordinary folder.

    `mode` is that of `os.lstat`; `recursive`: what is inside folders counts too.
    """
    if stat.S_ISDIR(mode):
        inside = "the scans inside it count as usual" if recursive else "what is inside is not looked at"
        return f"It is a folder with the name of a picture; {inside}." if named_as_picture(path) else ""
    kind = next((kind for test, kind in _KINDS if test(mode)), "not a regular file")
    return f"It is {kind}, not a file; put the picture itself into the inbox."
