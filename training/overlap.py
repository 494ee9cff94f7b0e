"""Find photographs that are in two collections: python -m training.overlap --album DIR --photographs PATH...

Photographs are compared by a difference hash (is each of 8 x 8 places lighter than its neighbour?), also mirrored. Two
of them are taken for the same where at most --bits of the 64 differ. Ends with 1 where any are found.
"""

from __future__ import annotations

import argparse
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from training.photographs import Album, read


def hash_of(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The difference hash of a grey picture (height, width): 64 bits in eight bytes."""
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1])


def nearest(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> tuple[int, int]:
    """The row of `others` (n, 8) nearest to the hash `one`, and the bits in which they differ."""
    bits = np.bitwise_count(others ^ one).sum(1)
    row = int(bits.argmin())
    return row, int(bits[row])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--album", required=True, metavar="DIR", help="the decoded photographs of a training")
    parser.add_argument("--photographs", nargs="+", required=True, metavar="PATH", help="folders and tars")
    parser.add_argument("--classes", default="ABC")
    parser.add_argument("--bits", type=int, default=3)
    told = parser.parse_args()
    album = Album(told.album)
    hashes = np.stack([hash_of(album.lab(one)[..., 0]) for one in album.photographs])
    found = looked = 0
    for name, _, content in read(told.photographs, told.classes):
        grey = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            continue
        looked += 1
        levels = np.asarray(grey, np.uint8)
        for way in (levels, np.ascontiguousarray(levels[:, ::-1])):
            row, bits = nearest(hash_of(way), hashes)
            if bits <= told.bits:
                found += 1
                print(f"{name}: {album.photographs[row].name}, {bits} bits differ")
    print(f"{looked} photographs compared with {len(hashes)}: {found} pairs alike")
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
