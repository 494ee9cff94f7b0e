"""Names in an inbox that are never scans: hidden files, half-done transfers, what file servers and desktops leave."""

from __future__ import annotations

_NAMES = frozenset(
    [
        "thumbs.db",
        "desktop.ini",
        "@eadir",
        "#recycle",
        "@recycle",
        "lost+found",
        "$recycle.bin",
        "system volume information",
    ]
)
_ENDINGS = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".!sync")
_BEGINNINGS = (".", "~$", "~syncthing~")  # the dot covers .DS_Store, ._*, .syncthing.*, and our own files
_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"),
    *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".pdf", ".pnm", ".pgm", ".ppm"),
)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name (one part of a path) is passed over, with all that is in it."""
    folded = name.casefold()
    return folded.startswith(_BEGINNINGS) or folded.endswith(_ENDINGS) or folded in _NAMES or ".syncthing." in folded


def named_as_picture(path: str) -> bool:
    """Whether the name's ending is one that pictures have."""
    return path.lower().endswith(_PICTURES)
