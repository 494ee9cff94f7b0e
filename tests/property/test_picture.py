import os
import tempfile

import cv2
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colorwatch.codecs.codec import open_document
from colorwatch.colour.colorize import colorize
from colorwatch.colour.lab import Chroma, Painter
from colorwatch.errors import ScanError
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Fingerprint, RenderSettings
from pictures import encoded, opened, written

ANYWAY = RenderSettings(colored="recolor", text="color")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    rows=st.integers(1, 310),
    colours=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**16),
)
def test_strip_height_never_changes_a_pixel(width, height, rows, colours, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width) if colours == 1 else (height, width, 3), dtype=np.uint8)
    ab = rng.uniform(-90, 90, (56, 56, 2)).astype(np.float32)
    whole = Painter(pixels, Chroma(ab, width, height), height).paint(0, height)
    painter = Painter(pixels, Chroma(ab, width, height), rows)
    strips = [painter.paint(top, min(top + rows, height)).copy() for top in range(0, height, rows)]
    assert (np.concatenate(strips) == whole).all()


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(width=st.integers(1, 2000), height=st.integers(1, 2000), seed=st.integers(0, 2**16))
def test_ab_is_that_of_a_bicubic_resize_at_any_size(width, height, seed):
    ab = np.random.default_rng(seed).uniform(-110, 110, (56, 56, 2)).astype(np.float32)
    height = min(height, 400_000 // width)
    rows = np.empty((height, 2, width), np.float32)
    Chroma(ab, width, height).write_rows(0, rows)
    found = rows.transpose(0, 2, 1) * (500, -200)
    wanted = cv2.resize(ab, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, 2)
    assert np.abs(found - wanted).max() < 5e-3


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(
    width=st.integers(1, 260),
    height=st.integers(1, 260),
    bands=st.sampled_from([1, 2, 3, 4]),
    format=st.sampled_from(["PNG", "TIFF"]),
    seed=st.integers(0, 2**16),
)
def test_a_lossless_scan_of_any_size_keeps_size_alpha_and_grey(width, height, bands, format, seed):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (height, width), dtype=np.uint8)
    alpha = rng.integers(0, 256, (height, width), dtype=np.uint8)
    array = [grey, np.dstack([grey, alpha]), np.dstack([grey] * 3), np.dstack([grey, grey, grey, alpha])][bands - 1]
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, "scan", encoded(array, format))
        spool = os.path.join(folder, "spool")
        request = RenderRequest(1, folder, "scan", Fingerprint.of(os.stat(path)), spool, 1, ANYWAY)
        colorize(request, lambda lightness: np.zeros((56, 56, 2), np.float32))
        result = np.asarray(opened(spool)).astype(int)
    assert result.shape == (height, width, 4 if bands in (2, 4) else 3)
    assert np.abs(result[..., :3] - grey[..., None]).max() <= 1
    if bands in (2, 4):
        assert (result[..., 3] == alpha).all()


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(
    format=st.sampled_from(["JPEG", "PNG", "TIFF"]),
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.binary(min_size=1, max_size=5)), min_size=1, max_size=6),
    cut=st.floats(0.3, 1.5),
)
def test_no_damage_raises_anything_but_a_scan_error(format, changes, cut):
    grey = np.add.outer(np.arange(60), np.arange(90)).astype(np.uint8)
    content = bytearray(encoded(grey, format))
    for place, replacement in changes:
        at = int(place * len(content))
        content[at : at + len(replacement)] = replacement
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content[: int(cut * len(content))])
        for page in open_document(descriptor).pages():
            if page.width * page.height < 1e6:
                for _ in page.strips():
                    pass
    except ScanError:
        pass
    finally:
        os.close(descriptor)
