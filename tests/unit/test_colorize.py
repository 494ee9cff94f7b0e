import errno
import hashlib
import os
import stat

import numpy as np
import pytest

from colorwatch.colour import colorize as colorizing
from colorwatch.colour.colorize import colorize, probe
from colorwatch.colour.lab import Painter
from colorwatch.errors import ChangedError, DamagedError, DiskError, ForbiddenFileError, GoneError, TooLargeError
from colorwatch.protocol import Incomplete, RenderRequest
from colorwatch.scan import Facts, Fingerprint, Rendering, RenderSettings
from pictures import SUFFIXES, encoded, gradient, opened, written

GREY = gradient(300, 200)
PLAIN = RenderSettings(colored="recolor", text="color")


def brown(lightness):
    assert lightness.shape == (224, 224)
    assert lightness.dtype == np.float32
    assert lightness.min() >= 0
    assert lightness.max() <= 100
    return np.full((56, 56, 2), (10, 20), np.float32)


def render(
    folder,
    name,
    spool,
    predict=brown,
    megapixels=100.0,
    fingerprint=None,
    settings=PLAIN,
    digest="",
    provenance=None,
):
    fingerprint = fingerprint or Fingerprint.of(os.stat(os.path.join(folder, name)))
    request = RenderRequest(1, str(folder), name, fingerprint, str(spool), megapixels, settings, digest, provenance)
    return colorize(request, predict)


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_scan_becomes_a_coloured_file_of_the_same_format(tmp_path, format):
    written(tmp_path, "scan", encoded(GREY, format))
    result = render(tmp_path, "scan", tmp_path / "spool")
    assert isinstance(result, Rendering)
    content = (tmp_path / "spool").read_bytes()
    found = os.stat(tmp_path / "spool")
    assert result.digest == hashlib.sha256(content).hexdigest()
    assert (result.size, result.device, result.inode) == (len(content), found.st_dev, found.st_ino)
    assert (result.width, result.height) == (300, 200)
    assert set(result.seconds) == {"decode", "judge", "net", "colour", "encode", "sync"}
    assert 10_000_000 < result.peak_bytes < 10_000_000_000
    image = opened(str(tmp_path / "spool"))
    assert image.format == format
    red, _, blue = np.asarray(image).astype(int).reshape(-1, 3).mean(0)
    assert red > blue + 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_net_sees_the_picture_upright_and_its_colour_lands_where_it_looked(tmp_path, orientation):
    from PIL import Image, ImageOps

    lit = np.full((200, 300), 60, np.uint8)
    lit[:60, :90] = 220
    exif = Image.Exif()
    exif[274] = orientation
    path = written(tmp_path, "scan", encoded(lit, "PNG", exif=exif))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).resize((224, 224), Image.Resampling.BOX))

    def predict(lightness):
        assert ((lightness > 60) == (upright > 140)).mean() > 0.98
        ab = np.zeros((56, 56, 2), np.float32)
        ab[..., 0] = 40 * (lightness[2::4, 2::4] > 60)
        return ab

    render(tmp_path, "scan", tmp_path / "spool", predict)
    rgb = np.asarray(opened(str(tmp_path / "spool"))).astype(int)
    red = rgb[..., 0] - rgb[..., 1]
    assert red[10:50, 10:80].min() > 20
    assert abs(red[80:, 110:]).max() <= 3


def test_the_spool_file_obeys_the_umask(tmp_path):
    written(tmp_path, "scan", encoded(GREY, "PNG"))
    before = os.umask(0o027)
    try:
        render(tmp_path, "scan", tmp_path / "spool")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "spool").st_mode) == 0o640


def test_nothing_that_stands_at_the_spool_name_is_touched(tmp_path):
    written(tmp_path, "scan", encoded(GREY, "PNG"))
    written(tmp_path, "spool", b"a stranger")
    os.symlink("elsewhere", tmp_path / "link")
    for name in ("spool", "link"):
        with pytest.raises(DiskError):
            render(tmp_path, "scan", tmp_path / name)
    assert (tmp_path / "spool").read_bytes() == b"a stranger"
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_outbox_is_the_disks_fault(tmp_path):
    written(tmp_path, "scan", encoded(GREY, "PNG"))
    with pytest.raises(DiskError, match="folder is gone"):
        render(tmp_path, "scan", tmp_path / "gone" / "spool")


def test_a_full_disk_leaves_no_spool_file(tmp_path, monkeypatch):
    written(tmp_path, "scan", encoded(GREY, "JPEG"))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("colorwatch.colour.colorize.os.fsync", full)
    with pytest.raises(DiskError, match="disk is full"):
        render(tmp_path, "scan", tmp_path / "spool")
    assert os.listdir(tmp_path) == ["scan"]


@pytest.mark.parametrize("stage", ["net", "paint"])
def test_any_failure_leaves_no_spool_file(tmp_path, stage, monkeypatch):
    written(tmp_path, "scan", encoded(GREY, "JPEG"))

    def broken(*args):
        raise RuntimeError("broken")

    if stage == "paint":
        monkeypatch.setattr(Painter, "paint", broken)
    with pytest.raises(RuntimeError):
        render(tmp_path, "scan", tmp_path / "spool", broken if stage == "net" else brown)
    assert os.listdir(tmp_path) == ["scan"]


def test_a_file_that_changed_after_it_settled_is_not_coloured(tmp_path):
    path = written(tmp_path, "scan", encoded(GREY, "JPEG"))
    before = Fingerprint.of(os.stat(path))
    written(tmp_path, "scan", encoded(GREY[::-1], "JPEG", quality=70))
    with pytest.raises(ChangedError):
        render(tmp_path, "scan", tmp_path / "spool", fingerprint=before)


def test_where_a_digest_is_given_the_content_decides_and_not_the_inode(tmp_path):
    content = encoded(GREY, "PNG")
    path = written(tmp_path, "scan", content)
    elsewhere = Fingerprint(1, 2, 3, 4)
    with pytest.raises(ChangedError):
        render(tmp_path, "scan", tmp_path / "spool", fingerprint=elsewhere)
    digest = hashlib.sha256(content).hexdigest()
    assert render(tmp_path, "scan", tmp_path / "spool", fingerprint=elsewhere, digest=digest).width == 300
    with open(path, "ab") as file:
        file.write(b"!")
    with pytest.raises(ChangedError, match="no longer that of the scan"):
        render(tmp_path, "scan", tmp_path / "other", fingerprint=Fingerprint.of(os.stat(path)), digest=digest)
    assert sorted(os.listdir(tmp_path)) == ["scan", "spool"]


def test_a_file_known_by_its_digest_that_changes_while_it_is_read_is_not_coloured(tmp_path, monkeypatch):
    content = encoded(GREY, "JPEG")
    path = written(tmp_path, "scan", content)
    real = colorizing.open_document

    def and_touch(*given):
        os.utime(path, ns=(1, 1))
        return real(*given)

    monkeypatch.setattr(colorizing, "open_document", and_touch)
    with pytest.raises(ChangedError):
        render(tmp_path, "scan", tmp_path / "spool", digest=hashlib.sha256(content).hexdigest())


def test_a_file_that_grows_while_it_is_read_is_changed_not_damaged(tmp_path, monkeypatch):
    content = encoded(gradient(900, 700), "PNG")
    path = written(tmp_path, "scan", content[: len(content) // 2])
    before = Fingerprint.of(os.stat(path))
    real = colorizing.open_document

    def and_grow(*given):
        picture = real(*given)
        with open(path, "ab") as file:
            file.write(b"more")
        return picture

    monkeypatch.setattr(colorizing, "open_document", and_grow)
    with pytest.raises(ChangedError):
        render(tmp_path, "scan", tmp_path / "spool", fingerprint=before)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    written(tmp_path, "scan", encoded(np.zeros((3000, 4000), np.uint8), "PNG"))
    monkeypatch.setattr("colorwatch.codecs.decoding.Picture.strips", lambda self: pytest.fail("decoded"))
    with pytest.raises(TooLargeError, match=r"12\.0 megapixels \(4000 x 3000\)"):
        render(tmp_path, "scan", tmp_path / "spool", megapixels=10)
    with pytest.raises(TooLargeError):
        probe(str(tmp_path), "scan", 10)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("shape", [(2, 65_501), (65_501, 2)])
def test_a_side_that_is_too_long_is_refused_whatever_the_limit(tmp_path, format, shape, monkeypatch):
    written(tmp_path, "scan", encoded(np.zeros(shape, np.uint8), format))
    monkeypatch.setattr("colorwatch.codecs.decoding.Picture.strips", lambda self: pytest.fail("decoded"))
    with pytest.raises(TooLargeError, match=r"over 65,500 pixels \(\d+ x \d+\)"):
        render(tmp_path, "scan", tmp_path / "spool", megapixels=0)
    with pytest.raises(TooLargeError, match="over 65,500 pixels"):
        probe(str(tmp_path), "scan", 0)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_whose_second_half_is_lost_before_its_end_marker_is_damaged(tmp_path, progressive):
    content = encoded(GREY, "JPEG", progressive=progressive)
    written(tmp_path, "scan", content[: len(content) // 2] + b"\xff\xd9")
    with pytest.raises(DamagedError, match=r"^The picture is damaged and does not decode\.$"):
        render(tmp_path, "scan", tmp_path / "spool")
    assert os.listdir(tmp_path) == ["scan"]
    # Nor is the next one blamed for it.
    written(tmp_path, "whole", encoded(GREY, "JPEG"))
    render(tmp_path, "whole", tmp_path / "spool")


def test_a_damaged_picture_is_damaged(tmp_path):
    content = encoded(GREY, "JPEG")
    written(tmp_path, "scan", content[: len(content) // 2])
    with pytest.raises(DamagedError):
        render(tmp_path, "scan", tmp_path / "spool")


def test_no_descriptor_stays_open(tmp_path):
    written(tmp_path, "scan", encoded(GREY, "JPEG"))
    written(tmp_path, "bad", encoded(GREY, "JPEG")[:500])
    render(tmp_path, "scan", tmp_path / "spool-0")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        render(tmp_path, "scan", tmp_path / f"spool-{number + 1}")
        with pytest.raises(DamagedError):
            render(tmp_path, "bad", tmp_path / "none")
        probe(str(tmp_path), "bad", 10)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_probe_tells_the_facts(tmp_path, format):
    content = encoded(GREY, format)
    path = written(tmp_path, "x.dat", content)
    facts = probe(str(tmp_path), "x.dat", 10)
    assert isinstance(facts, Facts)
    assert facts.fingerprint == Fingerprint.of(os.stat(path))
    assert facts.digest == hashlib.sha256(content).hexdigest()
    assert (facts.format, facts.extension) == (format.lower(), "." + SUFFIXES[format])
    assert (facts.width, facts.height, facts.pages, facts.bands, facts.bits) == (300, 200, 1, 1, 8)


def test_a_probe_of_half_a_file_says_incomplete(tmp_path):
    content = encoded(GREY, "PNG")
    written(tmp_path, "scan", content[: len(content) // 2])
    found = probe(str(tmp_path), "scan", 10)
    assert isinstance(found, Incomplete)
    assert found.reason


def test_a_file_that_changes_under_the_probe_is_looked_at_afresh(tmp_path, monkeypatch):
    path = written(tmp_path, "scan", encoded(GREY, "PNG"))
    real = colorizing.examine

    def and_touch(descriptor):
        os.utime(path, ns=(1, 1))
        return real(descriptor)

    monkeypatch.setattr(colorizing, "examine", and_touch)
    with pytest.raises(ChangedError):
        probe(str(tmp_path), "scan", 10)


def test_links_and_missing_files_come_to_nothing(tmp_path):
    os.symlink("scan", tmp_path / "link.jpg")
    with pytest.raises(ForbiddenFileError):
        probe(str(tmp_path), "link.jpg", 10)
    with pytest.raises(GoneError):
        probe(str(tmp_path), "gone.jpg", 10)


@pytest.mark.parametrize("keep", [True, False])
def test_a_result_s_file_has_the_time_of_its_scan_s_where_that_is_wanted(tmp_path, keep):
    path = written(tmp_path, "scan", encoded(GREY, "PNG"))
    os.utime(path, ns=(5, 1_000_000_000_123_456_789))
    before = os.stat(path)
    request = RenderRequest(1, str(tmp_path), "scan", Fingerprint.of(before), str(tmp_path / "spool"), keep_time=keep)
    colorize(request, brown)
    assert (os.stat(tmp_path / "spool").st_mtime_ns == before.st_mtime_ns) == keep


def test_the_time_is_set_before_the_file_is_synced(tmp_path, monkeypatch):
    path = written(tmp_path, "scan", encoded(GREY, "PNG"))
    os.utime(path, ns=(5, 1_000_000_000_000_000_000))
    seen = []

    def look(point):
        if point == "spool-sync":
            seen.append(os.stat(tmp_path / "spool").st_mtime_ns)

    monkeypatch.setattr(colorizing, "reach", look)
    fingerprint = Fingerprint.of(os.stat(path))
    colorize(RenderRequest(1, str(tmp_path), "scan", fingerprint, str(tmp_path / "spool"), keep_time=True), brown)
    assert seen == [1_000_000_000_000_000_000]


def test_a_share_that_keeps_no_times_costs_no_result(tmp_path, monkeypatch):
    written(tmp_path, "scan", encoded(GREY, "PNG"))
    fingerprint = Fingerprint.of(os.stat(tmp_path / "scan"))
    request = RenderRequest(1, str(tmp_path), "scan", fingerprint, str(tmp_path / "spool"), keep_time=True)

    def refuse(code):
        def utime(*_, **__):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "utime", utime)

    refuse(errno.EPERM)
    colorize(request, brown)
    os.unlink(tmp_path / "spool")
    refuse(errno.EIO)
    with pytest.raises(DiskError):
        colorize(request, brown)
    assert not (tmp_path / "spool").exists()
