"""The gallery's files: what is written after each scan, and what survives people and kills."""

from __future__ import annotations

import json
import os
import shutil
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from colorwatch.disk.ownership import Ownership
from colorwatch.gallery import Entry, Gallery
from colorwatch.gallery.entry import FORMAT, content_of, link, link_nearby, script
from colorwatch.gallery.flags import flags_of
from colorwatch.gallery.pages import CHUNK, PAGE
from colorwatch.scan import Facts, Fingerprint, Flag, Job, Redo, Rendering, Scan, State

LEDGER = "the ledger"
BLANK = Flag("blank page", "Page 2 is blank.")


def entry(job: int, name: str = "a.jpg", when: int = 1_700_000_000, flags: tuple[Flag, ...] = ()) -> Entry:
    when += job
    return Entry(job, when, when, "Italy/1962", name, f"../{job}.jpg", "", "compact", flags, 1, 640, 480, "")


def made(outbox: str, ownership: Ownership | None = None) -> Gallery:
    gallery = Gallery(outbox, "Scans", ownership)
    gallery.ready(LEDGER)
    return gallery


@pytest.fixture
def outbox(tmp_path: Path) -> str:
    return str(tmp_path / "outbox")


@pytest.fixture
def gallery(outbox: str) -> Gallery:
    os.mkdir(outbox)
    return made(outbox)


def written(outbox: str, name: str, call: str) -> dict[str, object]:
    with open(os.path.join(outbox, "gallery", "data", name), encoding="utf-8") as file:
        found: dict[str, object] = content_of(file.read(), call)
    return found


def names(outbox: str) -> list[object]:
    folder = os.path.join(outbox, "gallery", "data")
    chunks = sorted(name for name in os.listdir(folder) if name != "index.js")
    rows = [row for name in chunks for row in written(outbox, name, "galleryChunk")["rows"]]  # type: ignore[attr-defined]
    return [row[4] for row in rows]


def test_a_picture_stands_in_its_chunk_and_in_the_index_beside_a_whole_page(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(7, flags=(BLANK,)))
    assert names(outbox) == ["a.jpg"]
    chunks = written(outbox, "index.js", "galleryIndex")["chunks"]
    assert chunks["0"]["n"] == 1  # type: ignore[index]
    assert chunks["0"]["flags"] == ["blank page"]  # type: ignore[index]
    assert chunks["0"]["folders"] == ["Italy/1962"]  # type: ignore[index]
    assert set(PAGE) <= set(os.listdir(os.path.join(outbox, "gallery")))


def test_the_same_job_shown_again_is_one_picture(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(7))
    gallery.show(entry(7, "b.jpg"))
    assert names(outbox) == ["b.jpg"]


def test_what_is_removed_goes_with_its_thumbnail(gallery: Gallery, outbox: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"picture")
    folder = os.open(tmp_path, os.O_RDONLY)
    thumb = gallery.keep_picture("thumbs", 7, folder, "t")
    os.close(folder)
    shown = Entry(7, 1, 1, "", "a", "../a", "", "compact", (), 1, 1, 1, thumb, 1, 1)
    gallery.show(shown)
    assert os.path.exists(os.path.join(gallery.root, thumb))
    gallery.remove(7)
    assert names(outbox) == []
    assert not os.path.exists(os.path.join(gallery.root, thumb))


def test_a_new_start_goes_on_with_what_is_there(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    made(outbox).show(entry(CHUNK, "b.jpg"))
    assert names(outbox) == ["a.jpg", "b.jpg"]
    assert set(written(outbox, "index.js", "galleryIndex")["chunks"]) == {"0", "1"}  # type: ignore[call-overload]


@pytest.mark.parametrize("damage", ["", "not ours", "galleryIndex({});"])
def test_a_damaged_index_is_made_anew_from_the_chunks(gallery: Gallery, outbox: str, damage: str) -> None:
    gallery.show(entry(1))
    with open(os.path.join(gallery.root, "data", "index.js"), "w", encoding="utf-8") as file:
        file.write(damage)
    made(outbox).show(entry(CHUNK, "b.jpg"))
    assert set(written(outbox, "index.js", "galleryIndex")["chunks"]) == {"0", "1"}  # type: ignore[call-overload]


def test_an_index_that_tells_nonsense_of_a_chunk_is_made_anew(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    told = {"format": FORMAT, "ledger": LEDGER, "chunks": {"0": 1}}
    with open(os.path.join(gallery.root, "data", "index.js"), "w", encoding="utf-8") as file:
        file.write(script("galleryIndex", told))
    assert not made(outbox).ready(LEDGER)
    assert written(outbox, "index.js", "galleryIndex")["chunks"]["0"]["n"] == 1  # type: ignore[index]


@pytest.mark.parametrize("row", [[], None, ["x"] * 18, {"job": 1}, [1, 2], [*entry(1).to_row()[:8], [["x"]], *[1] * 9]])
def test_a_chunk_that_a_person_edited_costs_only_what_is_no_picture(gallery: Gallery, outbox: str, row: object) -> None:
    gallery.show(entry(1))
    good = entry(2, "kept.jpg").to_row()
    with open(os.path.join(gallery.root, "data", "000000.js"), "w", encoding="utf-8") as file:
        file.write(script("galleryChunk", {"format": FORMAT, "ledger": LEDGER, "chunk": 0, "rows": [row, good]}))
    gallery.show(entry(3, "new.jpg"))
    assert sorted(map(str, names(outbox))) == ["kept.jpg", "new.jpg"]


@pytest.mark.parametrize("gone", ["gallery", "gallery/data", "gallery/data/000000.js"])
def test_pictures_that_are_missing_are_told_of_once(gallery: Gallery, outbox: str, gone: str) -> None:
    gallery.show(entry(1))
    gallery.show(entry(CHUNK, "b.jpg"))
    assert not Gallery(outbox, "Scans").ready(LEDGER)
    path = os.path.join(outbox, gone)
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    again = Gallery(outbox, "Scans")
    assert again.ready(LEDGER)
    assert not again.ready(LEDGER)
    assert set(PAGE) <= set(os.listdir(gallery.root))


def test_a_gallery_that_is_deleted_while_it_is_kept_is_noticed(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    assert not gallery.ready(LEDGER)
    shutil.rmtree(gallery.root)
    assert gallery.ready(LEDGER)
    gallery.show(entry(2, "b.jpg"))
    assert names(outbox) == ["b.jpg"]


def test_a_chunk_that_was_written_before_a_kill_counts_without_the_index(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    gallery.write_chunk(0, [entry(1), entry(2)])  # and the index is not
    again = Gallery(outbox, "Scans")
    assert not again.ready(LEDGER)
    assert written(outbox, "index.js", "galleryIndex")["chunks"]["0"]["n"] == 2  # type: ignore[index]


def test_what_another_ledger_has_numbered_makes_room(gallery: Gallery, outbox: str) -> None:
    folder = os.open(os.path.dirname(outbox), os.O_RDONLY)
    Path(os.path.dirname(outbox), "t").write_bytes(b"picture")
    gallery.keep_picture("thumbs", 1, folder, "t")
    os.close(folder)
    gallery.show(entry(1))
    again = Gallery(outbox, "Scans")
    assert again.ready("another")
    again.show(entry(70_000, "b.jpg"))
    assert names(outbox) == ["b.jpg"]
    assert not os.path.exists(os.path.join(gallery.root, "thumbs", "000", "1.jpg"))


def test_nothing_is_made_to_take_a_picture_out_of_no_gallery(outbox: str) -> None:
    os.mkdir(outbox)
    Gallery(outbox, "Scans").remove(7)
    assert os.listdir(outbox) == []


def test_a_link_in_place_of_the_gallery_is_not_followed(gallery: Gallery, outbox: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(gallery.root)
    os.symlink(elsewhere, gallery.root)
    with pytest.raises(OSError):
        made(outbox)
    with pytest.raises(OSError):
        gallery.show(entry(1))
    assert os.listdir(elsewhere) == []


def test_files_have_the_mode_that_was_asked_for(outbox: str) -> None:
    os.mkdir(outbox)
    old = os.umask(0o077)
    try:
        gallery = made(outbox, Ownership(mode=0o640))
        gallery.show(entry(1))
    finally:
        os.umask(old)
    for name in ("index.html", "data/index.js", "data/000000.js"):
        assert stat.S_IMODE(os.stat(os.path.join(gallery.root, name)).st_mode) == 0o640


def test_any_name_comes_out_as_a_link_that_cannot_leave_its_attribute() -> None:
    found = link("/srv/out/gallery", '/srv/out/<img onerror="x">\'\n\udcff#?%.jpg')
    assert found == "../%3Cimg%20onerror%3D%22x%22%3E%27%0A%FF%23%3F%25.jpg"


def test_an_original_is_linked_only_where_the_same_share_can_show_it() -> None:
    assert link_nearby("/srv/scans/out/gallery", "/srv/scans/in/a.tif") == "../../in/a.tif"
    assert link_nearby("/srv/scans/out/gallery", "/home/in/a.tif") == ""


def test_a_script_holds_no_byte_that_could_end_it() -> None:
    text = script("f", {"name": "</script><!-- \u2028 \udc80"})
    assert "<" not in text
    assert text.isascii()
    assert content_of(text, "f") == {"name": "</script><!-- \u2028 \udc80"}
    with pytest.raises(ValueError, match="not ours"):
        content_of("alert(1)", "f")


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_asks_for_nothing_outside_its_folder(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    parser = _Addresses()
    page = Path(gallery.root, "index.html").read_text(encoding="utf-8")
    parser.feed(page)
    assert parser.found
    asked = [address for address in parser.found if address != "data:,"]
    assert all(":" not in address and not address.startswith("/") for address in asked)
    for name in PAGE:
        assert "//" not in Path(gallery.root, name).read_text(encoding="utf-8").replace("// ", "").replace(
            "file://", ""
        )


def test_twenty_thousand_pictures_cost_the_next_one_little(gallery: Gallery, outbox: str) -> None:
    """The work after one scan is one chunk and the index: counted in bytes, for times are the machine's."""
    for job in range(0, 20_000, CHUNK):
        gallery.write_chunk(job // CHUNK, [entry(job + n) for n in range(CHUNK)])
    data = os.path.join(gallery.root, "data")
    before = {name: os.stat(os.path.join(data, name)).st_ino for name in os.listdir(data)}
    gallery.show(entry(19_999, "again.jpg"))
    changed = [name for name in before if os.stat(os.path.join(data, name)).st_ino != before[name]]
    assert sorted(changed) == ["000099.js", "index.js"]
    assert sum(os.path.getsize(os.path.join(data, name)) for name in changed) < 200_000
    assert json.dumps(written(outbox, "index.js", "galleryIndex")).count('"n"') == 100


def job(output: str, redo: Redo | None = None, flags: tuple[Flag, ...] = (), **facts: object) -> Job:
    fingerprint = Fingerprint(1, 2, 3, 4)
    known = {"format": "jpeg", "extension": ".jpg", "pages": 1, "width": 9, "height": 9, "bands": 1, "bits": 8, **facts}
    read = Facts(fingerprint=fingerprint, digest="0" * 64, **known)  # type: ignore[arg-type]
    result = Rendering("1" * 64, 1, 1, 1, 9, 9, 1, {}, flags)
    return Job(1, Scan("inbox", "a", fingerprint), State.DONE, read, "recipe", output, result=result, redo=redo)


def test_an_ordinary_result_has_no_flag() -> None:
    assert flags_of(job("a.jpg")) == ()
    assert flags_of(job("a.tif", format="tiff", bits=16)) == ()


def test_flags_are_what_the_worker_saw_and_what_the_settings_and_formats_brought() -> None:
    found = flags_of(job("a.jpg", Redo({"strength": 0.7}, "zhang2016"), (BLANK, BLANK), format="avif", bits=10))
    assert found == (
        BLANK,
        Flag("own settings", "It was coloured again with settings of its own: strength 0.7, the model zhang2016."),
        Flag("8 bits", "The scan has 10 bits a channel, and the result, a JPEG, has 8."),
        Flag("another format", "AVIF is read and not written: the result is a JPEG."),
    )


def test_a_result_that_is_being_made_again_has_no_settings_of_its_own_yet() -> None:
    assert flags_of(job("a.jpg", Redo({"strength": 0.7}, under_way=True))) == ()
