"""TIFFs made by hand, for tests: tags that no library writes."""

from __future__ import annotations

import struct

_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B"}
Tags = dict[int, tuple[int, list[int]] | None]


def tiff_by_hand(pixels: bytes, width: int, height: int, tags: Tags, order: str = "<", behind: bytes = b"") -> bytes:
    """One uncompressed strip of 8-bit grey at offset 8, `behind` after it, then the directory with `tags` besides.

    A tag is (field type, values); None takes one of the usual tags away.
    """
    usual: Tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 273: (4, [8])}
    usual |= {277: (3, [1]), 278: (4, [height]), 279: (4, [len(pixels)])} | tags
    entries = sorted((tag, *value) for tag, value in usual.items() if value is not None)
    content = pixels + behind
    content += bytes(len(content) % 2)
    beyond_at = 8 + len(content) + 2 + 12 * len(entries) + 4
    body, beyond = struct.pack(order + "H", len(entries)), b""
    for tag, kind, values in entries:
        raw = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        if len(raw) > 4:
            raw, beyond = struct.pack(order + "I", beyond_at + len(beyond)), beyond + raw + bytes(len(raw) % 2)
        body += struct.pack(order + "HHI", tag, kind, len(values) // (2 if kind == 5 else 1)) + raw.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(content))
    return head + content + body + bytes(4) + beyond
