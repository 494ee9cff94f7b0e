"""The steps of the well-known colorization script (OpenCV's sample for Zhang et al. 2016), written anew, net left out.

Run by pipeline.py in a process of its own. Every step works on the whole picture in floating point, as there. In place
of the net stands a fixed ab of the net's size: only the rest is measured.
"""

from __future__ import annotations

import cv2
import numpy as np


def standing_ab() -> np.ndarray:
    """A soft ab (56, 56, 2) as a net might give; the same one in both programs of the comparison."""
    y, x = np.mgrid[0:56, 0:56].astype(np.float32) / 55
    return np.dstack([12 * np.sin(5 * x + 2 * y), 18 * np.cos(3 * y - 4 * x) + 6]).astype(np.float32)


def colour(picture: str, result: str, quality: int) -> None:
    """Colour the file `picture` into the JPEG `result`."""
    image = cv2.imread(picture)
    scaled = image.astype("float32") / 255.0
    lab = cv2.cvtColor(scaled, cv2.COLOR_BGR2LAB)
    resized = cv2.resize(lab, (224, 224))
    lightness = cv2.split(resized)[0]
    lightness -= 50
    ab = standing_ab()
    ab = cv2.resize(ab, (image.shape[1], image.shape[0]))
    lightness = cv2.split(lab)[0]
    colorized = np.concatenate((lightness[:, :, np.newaxis], ab), axis=2)
    colorized = cv2.cvtColor(colorized, cv2.COLOR_LAB2BGR)
    colorized = np.clip(colorized, 0, 1)
    colorized = (255 * colorized).astype("uint8")
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    cv2.imwrite(result, colorized, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])
