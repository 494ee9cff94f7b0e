"""Each result says where it comes from, to everyone who can read metadata, and loses nothing that its scan carried."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from colorwatch.colour.colorize import colorize
from colorwatch.errors import ChangedError, DiskError, ForbiddenFileError, GoneError
from colorwatch.formats.tifftags import TiffFile
from colorwatch.metadata import imprint, provenance
from colorwatch.metadata.imprint import on_png, recall
from colorwatch.metadata.pieces import jpeg_segment, jpeg_segments, png_chunk, png_chunks
from colorwatch.metadata.provenance import MACHINE_MADE, NAMESPACE, SOFTWARE
from colorwatch.protocol import Recalled, RenderRequest
from colorwatch.scan import Fingerprint, Provenance, RenderSettings
from pictures import encoded, gradient, opened, written
from tiffs import tiff_by_hand

ANYWAY = RenderSettings(colored="recolor", text="color")
GREY = gradient()
FORMATS = ["JPEG", "PNG", "TIFF"]
ODD = "1955/Tante Käthe \udcff <\"'&>\n%41 .jpg"
TOLD = Provenance("ab" * 32, ODD, "0123456789abcdef", "compact", "cd" * 32)
SCANS = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/x-old"><dc:subject><rdf:Bag><rdf:li>Käthe</rdf:li>'
    "</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>" + " " * 40 + '<?xpacket end="w"?>'
).encode()
UNREADABLE = {
    "UTF-16": SCANS.decode().encode("utf-16"),
    "damaged": SCANS[:-300],
    "document type": b"<!DOCTYPE x>" + SCANS,
    "no properties": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
}


def brown(lightness: Any) -> Any:
    return np.full((56, 56, 2), (10, 20), np.float32)


def coloured(folder: Path, content: bytes, told: Provenance | None = TOLD, name: str = "result") -> str:
    """The path of the result of this scan."""
    written(str(folder), "scan", content)
    spool = str(folder / name)
    request = RenderRequest(
        1, str(folder), "scan", Fingerprint.of(os.stat(folder / "scan")), spool, settings=ANYWAY, provenance=told
    )
    colorize(request, brown)
    return spool


def recalled(path: str) -> Recalled:
    return recall(*os.path.split(path))


def with_xmp(format: str, packet: bytes, squeezed: bool = False) -> bytes:
    """A scan that carries this packet."""
    if format == "TIFF":
        return tiff_by_hand(GREY.tobytes(), 120, 80, {700: (1, list(packet))})
    plain = encoded(GREY, format)
    if format == "JPEG":
        return plain[:2] + jpeg_segment(0xE1, imprint.XMP_SEGMENT + packet) + plain[2:]
    text = b"XML:com.adobe.xmp\0" + (b"\1\0\0\0" + zlib.compress(packet) if squeezed else bytes(4) + packet)
    return plain[:33] + png_chunk(b"iTXt", text) + plain[33:]


def pieces(path: str) -> list[tuple[Any, bytes]]:
    """What the file carries beside its pixels."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(4)
        if start[:2] == b"\xff\xd8":
            return list(jpeg_segments(file.fileno(), size, range(256)))
        if start[1:] == b"PNG":
            return list(png_chunks(file.fileno(), size, (b"iTXt", b"tEXt", b"zTXt", b"eXIf", b"pHYs")))
        tiff = TiffFile(file.fileno(), size)
        directory = tiff.directory(tiff.first)
        return [(tag, directory.content(entry, 1 << 20)) for tag, entry in directory.entries.items()]


def packets(path: str) -> list[bytes]:
    """The XMP packets that the file has in the usual place."""
    found = []
    for kind, content in pieces(path):
        if kind == 0xE1 and content.startswith(imprint.XMP_SEGMENT):
            found.append(content[len(imprint.XMP_SEGMENT) :])
        elif kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
            found.append(content.split(b"\0", 5)[-1])
        elif kind == 700:
            found.append(content)
    return found


def exiftool(path: str, *options: str) -> dict[str, Any]:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    told = subprocess.run(["exiftool", "-j", "-G1", "-struct", *options, path], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(told.stdout)[0]
    return found


# --- written and read back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_comes_back_with_its_own_digest_and_fingerprint(tmp_path: Path, format: str) -> None:
    path = coloured(tmp_path, encoded(GREY, format))
    found = recalled(path)
    with open(path, "rb") as file:
        assert found.digest == hashlib.sha256(file.read()).hexdigest()
    assert found == Recalled(Fingerprint.of(os.stat(path)), found.digest, TOLD)
    assert len(packets(path)) == 1


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["grey", "colour", "alpha"])
def test_the_pixels_are_those_of_a_result_that_says_nothing(tmp_path: Path, format: str, mode: str) -> None:
    if mode == "alpha" and format == "JPEG":
        pytest.skip("JPEG has no alpha")
    array = {"grey": GREY, "colour": np.dstack([GREY] * 3), "alpha": np.dstack([GREY, GREY[::-1]])}[mode]
    scan = encoded(array, format)
    silent, telling = coloured(tmp_path, scan, None, "silent"), coloured(tmp_path, scan)
    assert recalled(silent).provenance is None
    assert (np.asarray(opened(silent)) == np.asarray(opened(telling))).all()


@pytest.mark.parametrize("format", FORMATS)
def test_an_independent_reader_is_told_that_the_colours_are_machine_made(tmp_path: Path, format: str) -> None:
    found = exiftool(coloured(tmp_path, encoded(GREY, format)))
    assert found["XMP-iptcExt:DigitalSourceType"] == MACHINE_MADE
    assert found["XMP-xmp:CreatorTool"] == SOFTWARE
    assert found["XMP-colorwatch:SourceDigest"] == TOLD.digest
    assert "machine-made" in found["XMP-colorwatch:Note"]
    assert "ExifTool:Warning" not in found
    if format != "JPEG":
        assert found["PNG:Software" if format == "PNG" else "IFD0:Software"] == SOFTWARE


def test_pillow_and_tifffile_find_the_packet(tmp_path: Path) -> None:
    jpeg = opened(coloured(tmp_path, encoded(GREY, "JPEG"), name="jpeg"))
    png = opened(coloured(tmp_path, encoded(GREY, "PNG"), name="png"))
    assert provenance.read(jpeg.info["xmp"]) == TOLD
    assert provenance.read(png.info["XML:com.adobe.xmp"].encode()) == TOLD
    assert png.info["Software"] == SOFTWARE
    with tifffile.TiffFile(coloured(tmp_path, encoded(GREY, "TIFF"), name="tiff")) as file:
        tags = file.pages.first.tags
        assert provenance.read(bytes(tags[700].value)) == TOLD
        assert tags[305].value == SOFTWARE


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_that_was_edited_by_a_program_that_keeps_xmp_is_still_known(tmp_path: Path, format: str) -> None:
    path = coloured(tmp_path, with_xmp(format, SCANS))
    before = exiftool(path)
    options = ["-overwrite_original", "-q", "-XMP-xmp:Rating=5", "-XMP-dc:Title=Käthe", "-Artist=Ada"]
    subprocess.run(["exiftool", *options, path], check=True, timeout=60)
    after = exiftool(path)
    assert after["XMP-xmp:Rating"] == 5
    assert after["XMP-dc:Subject"] == before["XMP-dc:Subject"]
    assert recalled(path).provenance == TOLD


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_saved_anew_with_its_packet_is_still_known(tmp_path: Path, format: str) -> None:
    path = coloured(tmp_path, encoded(GREY, format))
    image = opened(path)
    (packet,) = packets(path)
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
    options: dict[str, Any] = {"JPEG": {"xmp": packet}, "PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: packet}}}
    image.rotate(90).save(tmp_path / "edited", format, **options[format])
    assert recalled(str(tmp_path / "edited")).provenance == TOLD


# --- what the scan carried ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("squeezed", [False, True])
def test_everything_in_the_scans_packet_is_still_there_byte_for_byte(
    tmp_path: Path, format: str, squeezed: bool
) -> None:
    path = coloured(tmp_path, with_xmp(format, SCANS, squeezed))
    (packet,) = packets(path)
    start, end = SCANS.split(b"</rdf:RDF>")
    assert packet.startswith(start)
    assert packet.endswith(b"</rdf:RDF></x:xmpmeta>" + end[-len(b'<?xpacket end="w"?>') - 1 :])
    assert recalled(path).provenance == TOLD
    assert exiftool(path)["XMP-dc:Subject"] == ["Käthe"]
    assert "ExifTool:Warning" not in exiftool(path)


@pytest.mark.parametrize("format", FORMATS)
def test_an_archives_rich_metadata_reads_the_same_in_the_result(tmp_path: Path, format: str) -> None:
    path = written(str(tmp_path), "rich", encoded(GREY, format))
    exiftool(path)
    region = "{RegionInfo={AppliedToDimensions={W=120,H=80,Unit=pixel},RegionList=[{Name=Käthe,Type=Face}]}}"
    options = ["-XMP-dc:Title=Title", "-XMP-dc:Title-de=Käthe", "-XMP-dc:Subject=a", "-XMP-dc:Subject=b"]
    options += ["-XMP-mwg-rs:" + region[1:-1], "-XMP-xmp:CreatorTool=VueScan", "-XMP-xmpMM:DocumentID=xmp.did:7"]
    options += ["-XMP-xmpMM:HistoryAction=saved", "-XMP-xmpMM:HistoryWhen=1999:01:01 12:00:00", "-IPTC:City=Ulm"]
    options += ["-XMP-iptcExt:DigitalSourceType=http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm"]
    subprocess.run(["exiftool", "-overwrite_original", "-q", *options, path], check=True, timeout=60)
    before, result = exiftool(path), coloured(tmp_path, Path(path).read_bytes())
    after = exiftool(result)
    assert after["XMP-colorwatch:ScanSourceType"] == before.pop("XMP-iptcExt:DigitalSourceType")
    groups = ("XMP-", "IPTC")
    assert [key for key in before if key.startswith(groups) and after.get(key) != before[key]] == []
    assert sum(key.startswith("XMP-") for key in before) >= 7
    assert after["XMP-iptcExt:DigitalSourceType"] == MACHINE_MADE
    assert recalled(result).provenance == TOLD


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("why", UNREADABLE)
def test_a_packet_that_cannot_be_changed_stays_and_ours_is_found_elsewhere(
    tmp_path: Path, format: str, why: str
) -> None:
    path = coloured(tmp_path, with_xmp(format, UNREADABLE[why]))
    assert packets(path) == [UNREADABLE[why]]
    assert recalled(path).provenance == TOLD
    place = {"JPEG": "File:Comment", "PNG": "PNG:Colorwatch", "TIFF": "IFD0:ImageHistory"}[format]
    assert "machine-made" in exiftool(path)[place]
    again = coloured(tmp_path, Path(path).read_bytes(), dataclasses.replace(TOLD, digest="12" * 32), "again")
    assert recalled(again).provenance == dataclasses.replace(TOLD, digest="12" * 32)
    assert [len(content) for _, content in pieces(again)] == [len(content) for _, content in pieces(path)]


def test_a_jpegs_packet_that_is_too_full_stays(tmp_path: Path) -> None:
    full = SCANS.replace("Käthe".encode(), b"K" * 64_700)
    path = coloured(tmp_path, with_xmp("JPEG", full))
    assert packets(path) == [full]
    assert recalled(path).provenance == TOLD


def test_a_packet_of_another_type_in_a_tiff_stays(tmp_path: Path) -> None:
    numbers = list(struct.unpack(f"<{len(SCANS) // 4}I", SCANS[: len(SCANS) // 4 * 4]))
    path = coloured(tmp_path, tiff_by_hand(GREY.tobytes(), 120, 80, {700: (4, numbers)}))
    assert packets(path) == [SCANS[: len(SCANS) // 4 * 4]]
    assert recalled(path).provenance == TOLD


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_used_as_a_scan_carries_one_imprint_that_is_its_own(tmp_path: Path, format: str) -> None:
    other = dataclasses.replace(TOLD, digest="12" * 32, path="again.jpg")
    for scan in (encoded(GREY, format), with_xmp(format, SCANS)):
        first = coloured(tmp_path, scan, name=f"first-{len(scan)}")
        second = coloured(tmp_path, Path(first).read_bytes(), other, f"second-{len(scan)}")
        assert recalled(second).provenance == other
        assert sorted(kind for kind, _ in pieces(second)) == sorted(kind for kind, _ in pieces(first))
        (packet,) = packets(second)
        assert packet.count(NAMESPACE.encode()) == 1
        assert packet.count(b"DigitalSourceType>") == 2


@pytest.mark.parametrize("format", FORMATS)
def test_everything_that_a_silent_result_carries_is_there_byte_for_byte(tmp_path: Path, format: str) -> None:
    exif = exif_with("VueScan")
    exif.get_ifd(34665)[37500] = b"maker's note" * 300
    options: dict[str, Any] = {"exif": exif, "dpi": (600, 300)}
    if format == "JPEG":
        options["comment"] = b"Aunt Ada"
    if format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", "Aunt Ada")
    scan = encoded(GREY, format, **options)
    silent, telling = pieces(coloured(tmp_path, scan, None, "silent")), pieces(coloured(tmp_path, scan))
    # Where a TIFF's strips and directories stand.
    moved = (273, 279, 34665)
    assert [each for each in telling if each[0] not in moved and NAMESPACE.encode() not in each[1]] == [
        each for each in silent if each[0] not in moved
    ]


def exif_with(software: str | None) -> Image.Exif:
    exif = Image.Exif()
    exif[271] = "Maker"
    if software:
        exif[305] = software
    return exif


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("software", ["VueScan 9", None])
def test_the_software_that_made_the_scan_keeps_its_place(tmp_path: Path, format: str, software: str | None) -> None:
    scan = encoded(GREY, format, exif=exif_with(software))
    path = coloured(tmp_path, scan)
    silent = coloured(tmp_path, scan, None, "silent")
    with Image.open(path) as image, Image.open(silent) as before:
        ours = {305: SOFTWARE} if format == "TIFF" and not software else {}
        # Where strips and directories stand may differ, and the packet does.
        wanted, shown = (
            {tag: value for tag, value in exif.items() if tag not in (273, 279, 700, 34665)}
            for exif in (dict(before.getexif()) | ours, dict(image.getexif()))
        )
        assert shown == wanted
    found = exiftool(path)
    assert found.get("XMP-xmp:CreatorTool") == (None if software else SOFTWARE)
    assert found.get("PNG:Software") == (SOFTWARE if format == "PNG" and not software else None)


def test_a_pngs_own_software_keeps_its_place(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Software", "GIMP")
    path = coloured(tmp_path, encoded(GREY, "PNG", pnginfo=info))
    assert opened(path).info["Software"] == "GIMP"
    assert "CreatorTool" not in opened(path).info["XML:com.adobe.xmp"]


def test_a_jpeg_without_exif_is_still_plainly_ycbcr(tmp_path: Path) -> None:
    plain = encoded(GREY, "JPEG")
    assert plain[2:4] == b"\xff\xe0"
    bare = plain[:2] + plain[4 + int.from_bytes(plain[4:6], "big") :]
    path = coloured(tmp_path, bare)
    assert [code for code, _ in pieces(path)][:2] == [0xE0, 0xE1]
    assert opened(path).mode == "RGB"


def test_exif_stays_first_in_a_jpeg(tmp_path: Path) -> None:
    path = coloured(tmp_path, encoded(GREY, "JPEG", exif=exif_with("VueScan"), comment=b"Aunt Ada"))
    kinds = [(code, content[:4]) for code, content in pieces(path)]
    assert kinds[:4] == [(0xE0, b"JFIF"), (0xE1, b"Exif"), (0xE1, b"http"), (0xFE, b"Aunt")]


def test_metadata_that_cannot_be_read_does_not_cost_the_imprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise struct.error("damaged")

    for format in ("JPEG", "PNG"):
        scan = encoded(GREY, format, exif=exif_with("VueScan"))
        with monkeypatch.context() as patched:
            patched.setattr("colorwatch.metadata.carrying.tidy_exif", broken)
            path = coloured(tmp_path, scan, name=format)
        assert recalled(path).provenance == TOLD


# --- recall ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"only words\n", encoded(GREY, "WEBP"), b"%PDF-1.7", *(encoded(GREY, format) for format in FORMATS)],
    ids=["empty", "text", "webp", "pdf", *FORMATS],
)
def test_a_file_that_is_not_ours_has_a_digest_and_no_provenance(tmp_path: Path, content: bytes) -> None:
    found = recalled(written(str(tmp_path), "x", content))
    assert found.provenance is None
    assert found.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_cut_short_or_damaged_is_none_of_ours_or_tells_the_truth(tmp_path: Path, format: str) -> None:
    whole = Path(coloured(tmp_path, encoded(GREY, format))).read_bytes()
    rng = np.random.default_rng(1)
    for number in range(60):
        damaged = bytearray(whole if number % 2 else whole[: int(rng.integers(0, len(whole)))])
        for at in rng.integers(0, max(len(damaged), 1), 0 if number < 20 else 8):
            damaged[at : at + 1] = bytes([int(rng.integers(0, 256))])
        found = recalled(written(str(tmp_path), "x", bytes(damaged)))
        assert found.provenance is None or len(found.provenance.digest) == 64


def test_links_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = coloured(tmp_path, encoded(GREY, "JPEG"))
    os.symlink(path, tmp_path / "link")
    with pytest.raises(ForbiddenFileError):
        recall(str(tmp_path), "link")
    with pytest.raises(ForbiddenFileError):
        recall(str(tmp_path), "../" + os.path.basename(tmp_path) + "/result")
    with pytest.raises(GoneError):
        recall(str(tmp_path), "gone")


def test_a_file_that_changes_while_it_is_read_is_looked_at_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coloured(tmp_path, encoded(GREY, "JPEG"))
    real = imprint.sha256_of

    def and_touch(descriptor: int) -> str:
        os.utime(path, ns=(1, 1))
        return real(descriptor)

    monkeypatch.setattr(imprint, "sha256_of", and_touch)
    with pytest.raises(ChangedError):
        recalled(path)


def test_a_share_that_fails_is_the_disks_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coloured(tmp_path, encoded(GREY, "JPEG"))

    def failing(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("colorwatch.metadata.imprint.os.pread", failing)
    with pytest.raises(DiskError, match="input/output"):
        recalled(path)
    monkeypatch.undo()
    before = len(os.listdir("/proc/self/fd"))
    recalled(path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["zip bomb", "many chunks", "many segments", "huge tag"])
def test_a_hostile_file_costs_little_memory_and_time(tmp_path: Path, kind: str) -> None:
    plain = encoded(GREY, "PNG")
    bomb = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(200 << 20)))
    content = {
        "zip bomb": plain[:33] + bomb * 3 + plain[33:],
        "many chunks": plain[:33] + png_chunk(b"tEXt", b"colorwatch\0") * 200_000 + plain[33:],
        "many segments": b"\xff\xd8" + jpeg_segment(0xFE, b"x") * 100_000,
        "huge tag": struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 700, 1, 0xFFFFFFFF, 8, 0),
    }[kind]
    path = written(str(tmp_path), "x", content)
    code = (
        "import sys, os, time, resource; from colorwatch.metadata.imprint import recall; recall('/usr/bin', 'env');"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; start = time.monotonic();"
        "found = recall(*os.path.split(sys.argv[1])); assert found.provenance is None;"
        "print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60)
    seconds, kilobytes = map(float, told.stdout.split())
    assert seconds < 10
    assert kilobytes < 40_000


def test_settings_reach_the_pixels(tmp_path: Path) -> None:
    written(str(tmp_path), "scan", encoded(GREY, "PNG"))
    fingerprint = Fingerprint.of(os.stat(tmp_path / "scan"))

    def spread(name: str, settings: RenderSettings) -> float:
        colorize(RenderRequest(1, str(tmp_path), "scan", fingerprint, str(tmp_path / name), 0, settings), brown)
        rgb = np.asarray(opened(str(tmp_path / name))).astype(int)
        return float(np.ptp(rgb, axis=-1).mean())

    full = spread("full", RenderSettings(colored="recolor", text="color"))
    assert spread("grey", RenderSettings(strength=0, colored="recolor", text="color")) <= 1
    assert spread("dull", RenderSettings(saturation=0, colored="recolor", text="color")) <= 1
    assert spread("half", RenderSettings(strength=0.5, colored="recolor", text="color")) == pytest.approx(
        full / 2, rel=0.1
    )
    assert full * 1.1 < spread("more", RenderSettings(saturation=1.2, colored="recolor", text="color")) < full * 1.2


def test_the_command_line_tools_of_others_read_odd_paths(tmp_path: Path) -> None:
    path = coloured(tmp_path, encoded(GREY, "JPEG"))
    found = exiftool(path)
    assert found["XMP-colorwatch:SourcePath"] == "1955/Tante Käthe %FF <\"'&>%0A%2541 .jpg"
    with Image.open(io.BytesIO(Path(path).read_bytes())) as image:
        assert image.format == "JPEG"


def test_a_strangers_texts_under_our_name_do_not_hide_ours(tmp_path: Path) -> None:
    chunks = [(b"tEXt", b"colorwatch\0"), (b"tEXt", b"colorwatch\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")]
    told = Provenance("ab" * 32, "scan.png", "0123456789abcdef", "compact", "cd" * 32)
    on_png(chunks, told, False)
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks))
    assert recall(str(tmp_path), "x.png").provenance == told
