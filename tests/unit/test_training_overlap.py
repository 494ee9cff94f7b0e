import cv2
import numpy as np
import pytest

from training.overlap import hash_of, nearest

numpy_two = pytest.mark.skipif(not hasattr(np, "bitwise_count"), reason="counting bits needs numpy 2")


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 255, (7, 9), np.uint8)
    return cv2.resize(coarse, (200, 150), interpolation=cv2.INTER_CUBIC)


@numpy_two
def test_a_small_poor_copy_is_known_again_and_others_are_not():
    hashes = np.stack([hash_of(picture(seed)) for seed in range(50)])
    small = cv2.resize(picture(7), (80, 60), interpolation=cv2.INTER_AREA)
    copy = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)
    row, bits = nearest(hash_of(copy), hashes)
    assert row == 7
    assert bits <= 3
    _, bits = nearest(hash_of(picture(99)), hashes)
    assert bits > 3
