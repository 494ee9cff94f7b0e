"""The format of a file by its first bytes, never by its name; other formats are told apart to refuse them by name."""

from __future__ import annotations

import re

from colorwatch.errors import NotAPictureError, UnsupportedError

SNIFFED = 64  # bytes of a file that `sniff` wants to see

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"%PDF-", "pdf"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
)

_KNOWN = (
    (rb"RIFF....WEBP", "webp"),
    (rb"....ftyp(avif|(mif1|miaf).{4}.{0,40}avif)", "avif"),
    (rb"....ftyp(heic|heix|heim|heis|mif1)", "heic"),
    (rb"BM....\0\0\0\0", "bmp"),
    (rb"P[1-6]\s+[#\d]", "pnm"),
)
# Beginnings that are told from each other further on.
_BEGINNINGS = (rb"RIFF....", rb"\0\0\0.(ftyp)?", rb"\0\0\0.f(ty?)?", rb"BM.{0,7}", rb"R|RI|RIF|RIFF.{0,3}")

READ = "JPEG, PNG, TIFF, PDF, WebP, AVIF, HEIC, GIF, BMP, PNM and JPEG 2000"

_FOREIGN = (
    (rb"....ftyp(hevc|hevx|msf1)", "a sequence of HEIC pictures"),
    (rb"....ftypavis", "a sequence of AVIF pictures"),
    (rb"....ftypcrx ", "a Canon raw picture (CR3)"),
    (rb"....ftyp", "a video"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (rb"P7\s", "a PAM picture"),
    (rb"8BPS", "a Photoshop document (PSD)"),
    (rb"AT&TFORM", "a DjVu document"),
    (rb"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (rb"#\?RADIANCE", "a Radiance HDR picture"),
    (rb"SIMPLE  =", "a FITS picture"),
    (rb"IIRO|IIRS|MMOR", "an Olympus raw picture"),
    (rb"IIU\0", "a Panasonic raw picture"),
    (rb"FUJIFILMCCD-RAW", "a Fujifilm raw picture"),
    (rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(?i:<svg)", "an SVG drawing"),
    (rb"\0\0\x01\0", "an icon file"),
)

_OTHERS = (
    (rb"PK\x03\x04", "a ZIP archive or an office document"),
    (rb"\xd0\xcf\x11\xe0", "an old office document"),
    (rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|html|\?xml)", "a web page or an XML document"),
    (rb"\x7fELF|MZ.*\0", "a program"),
    (rb"\x1f\x8b|BZh|7z\xbc\xaf|\xfd7zXZ", "a compressed archive"),
    (rb"%!PS", "a PostScript document"),
)

_KNOWN_PATTERNS = [(re.compile(pattern, re.DOTALL), format) for pattern, format in _KNOWN]
_BEGINNING_PATTERNS = [re.compile(pattern, re.DOTALL) for pattern in _BEGINNINGS]
_FOREIGN_PATTERNS = [(re.compile(pattern, re.DOTALL), name) for pattern, name in _FOREIGN]
_OTHER_PATTERNS = [(re.compile(pattern, re.DOTALL), name) for pattern, name in _OTHERS]


def sniff(start: bytes) -> str:
    """The format that a file's first SNIFFED bytes tell, or "" where they are too few to tell.

    Formats are "jpeg", "png", "tiff", "pdf", "webp", "avif", "heic", "gif", "bmp", "pnm" and "jp2".

    Raises UnsupportedError for a picture or a document of another, known kind, NotAPictureError for anything else.
    """
    for signature, format in _SIGNATURES:
        if start.startswith(signature):
            return format
    if not start.strip(b"\0") or any(signature.startswith(start) for signature, _ in _SIGNATURES):
        return ""
    for pattern, format in _KNOWN_PATTERNS:
        if pattern.match(start):
            return format
    if any(pattern.fullmatch(start) for pattern in _BEGINNING_PATTERNS):
        return ""
    for pattern, name in _FOREIGN_PATTERNS:
        if pattern.match(start):
            raise UnsupportedError(f"It is {name}; this version colours {READ}.")
    for pattern, name in _OTHER_PATTERNS:
        if pattern.match(start):
            raise NotAPictureError(f"It is {name}, not a picture.")
    if _is_text(start):
        raise NotAPictureError("It is text, not a picture.")
    raise NotAPictureError(f"Its content is no picture format that colorwatch knows ({READ}).")


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        # The cut after the first bytes may have gone through a character.
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)
