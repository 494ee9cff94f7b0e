import io

import cv2
import numpy as np
import pytest
from PIL import Image

from colorwatch.codecs.jpegstrips import MAX_INTERVAL, StripError, fitting_rows, write_jpeg
from pictures import gradient


def written(bgr, rows, quality=92, head=b"", profile=None):
    pieces = []
    height, width = bgr.shape[:2]
    write_jpeg(pieces.append, width, height, rows, lambda top, bottom: bgr[top:bottom], quality, head, profile)
    return b"".join(pieces)


def picture(width, height):
    grey = gradient(width, height)
    return np.dstack([grey, grey[::-1], grey[:, ::-1]])


@pytest.mark.parametrize("size", [(120, 80), (121, 83), (1, 1), (8, 8), (9, 200), (3000, 17)])
@pytest.mark.parametrize("rows", [8, 16, 64])
def test_strips_joined_are_the_picture_encoded_whole(size, rows):
    bgr = picture(*size)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    whole = cv2.imdecode(cv2.imencode(".jpg", bgr, options)[1], cv2.IMREAD_COLOR)
    assert (cv2.imdecode(np.frombuffer(written(bgr, rows), np.uint8), cv2.IMREAD_COLOR) == whole).all()


def test_another_reader_sees_the_same_picture_as_in_one_encoded_whole():
    bgr = picture(500, 301)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    whole = Image.open(io.BytesIO(cv2.imencode(".jpg", bgr, options)[1].tobytes()))
    image = Image.open(io.BytesIO(written(bgr, 8)))
    assert image.size == (500, 301)
    assert (np.asarray(image) == np.asarray(whole)).all()


def test_restart_intervals_never_grow_too_long():
    for width in (1, 8, 7000, 65_500):
        rows = fitting_rows(width, 100_000)
        assert rows % 8 == 0
        assert -(-width // 8) * rows // 8 <= MAX_INTERVAL
    assert fitting_rows(7000, 3) == 8


def test_a_large_profile_is_cut_into_numbered_segments():
    profile = bytes(range(256)) * 800
    image = Image.open(io.BytesIO(written(picture(40, 40), 8, profile=profile)))
    assert image.info["icc_profile"] == profile


def test_an_encoder_that_changes_its_tables_is_noticed(monkeypatch):
    real, calls = cv2.imencode, []

    def fickle(suffix, array, options):
        calls.append(1)
        return real(suffix, array, [cv2.IMWRITE_JPEG_QUALITY, 50 if len(calls) > 1 else 90, *options[2:]])

    monkeypatch.setattr("colorwatch.codecs.jpegstrips.cv2.imencode", fickle)
    with pytest.raises(StripError):
        written(picture(40, 40), 8)


def test_an_encoder_that_halves_the_colour_is_noticed(monkeypatch):
    real = cv2.imencode
    monkeypatch.setattr("colorwatch.codecs.jpegstrips.cv2.imencode", lambda suffix, array, options: real(suffix, array))
    with pytest.raises(StripError):
        written(picture(40, 40), 8)
