"""The gallery's files: what is written after each scan, and what survives people and kills."""

from __future__ import annotations

import json
import os
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest

from colorwatch.disk.ownership import Ownership
from colorwatch.gallery import Entry, Gallery
from colorwatch.gallery.entry import content_of, link, link_nearby, script
from colorwatch.gallery.pages import CHUNK, PAGE


def entry(job: int, name: str = "a.jpg", when: int = 1_700_000_000, flags: tuple[str, ...] = ()) -> Entry:
    return Entry(job, when + job, "inbox", name, f"../{job}.jpg", "", "compact", flags, 640, 480, "")


@pytest.fixture
def outbox(tmp_path: Path) -> str:
    return str(tmp_path / "outbox")


@pytest.fixture
def gallery(outbox: str) -> Gallery:
    os.mkdir(outbox)
    return Gallery(outbox, "Scans")


def written(outbox: str, name: str, call: str) -> dict[str, object]:
    with open(os.path.join(outbox, "gallery", "data", name), encoding="utf-8") as file:
        found: dict[str, object] = content_of(file.read(), call)
    return found


def names(outbox: str) -> list[object]:
    folder = os.path.join(outbox, "gallery", "data")
    chunks = sorted(name for name in os.listdir(folder) if name != "index.js")
    rows = [row for name in chunks for row in written(outbox, name, "galleryChunk")["rows"]]  # type: ignore[attr-defined]
    return [row[3] for row in rows]


def test_a_picture_stands_in_its_chunk_and_in_the_index_beside_a_whole_page(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(7, flags=("no-colour",)))
    assert names(outbox) == ["a.jpg"]
    chunks = written(outbox, "index.js", "galleryIndex")["chunks"]
    assert chunks["0"]["n"] == 1  # type: ignore[index]
    assert chunks["0"]["flags"] == ["no-colour"]  # type: ignore[index]
    assert set(PAGE) <= set(os.listdir(os.path.join(outbox, "gallery")))


def test_the_same_job_shown_again_is_one_picture(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(7))
    gallery.show(entry(7, "b.jpg"))
    assert names(outbox) == ["b.jpg"]


def test_what_is_removed_goes_with_its_thumbnail(gallery: Gallery, outbox: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"picture")
    folder = os.open(tmp_path, os.O_RDONLY)
    thumb = gallery.keep_thumb(7, folder, "t")
    os.close(folder)
    shown = Entry(7, 1, "inbox", "a", "../a", "", "compact", (), 1, 1, thumb, 1, 1)
    gallery.show(shown)
    assert os.path.exists(os.path.join(gallery.root, thumb))
    gallery.remove(7)
    assert names(outbox) == []
    assert not os.path.exists(os.path.join(gallery.root, thumb))


def test_a_new_start_goes_on_with_what_is_there(gallery: Gallery, outbox: str) -> None:
    gallery.show(entry(1))
    Gallery(outbox, "Scans").show(entry(CHUNK, "b.jpg"))
    assert names(outbox) == ["a.jpg", "b.jpg"]
    assert set(written(outbox, "index.js", "galleryIndex")["chunks"]) == {"0", "1"}  # type: ignore[call-overload]


@pytest.mark.parametrize("damage", ["", "not ours", "galleryIndex({});", 'galleryIndex({"chunks":{"0":1}});'])
def test_a_damaged_index_is_made_anew_from_the_chunks(gallery: Gallery, outbox: str, damage: str) -> None:
    gallery.show(entry(1))
    with open(os.path.join(gallery.root, "data", "index.js"), "w", encoding="utf-8") as file:
        file.write(damage)
    Gallery(outbox, "Scans").show(entry(CHUNK, "b.jpg"))
    assert set(written(outbox, "index.js", "galleryIndex")["chunks"]) == {"0", "1"}  # type: ignore[call-overload]


@pytest.mark.parametrize("row", [[], None, ["x"] * 13, {"job": 1}, [1, 2]])
def test_a_chunk_that_a_person_edited_costs_only_what_is_no_picture(gallery: Gallery, outbox: str, row: object) -> None:
    gallery.show(entry(1))
    good = entry(2, "kept.jpg").to_row()
    with open(os.path.join(gallery.root, "data", "000000.js"), "w", encoding="utf-8") as file:
        file.write(script("galleryChunk", {"chunk": 0, "rows": [row, good]}))
    gallery.show(entry(3, "new.jpg"))
    assert sorted(map(str, names(outbox))) == ["kept.jpg", "new.jpg"]


def test_a_link_in_place_of_the_gallery_is_not_followed(gallery: Gallery, outbox: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.symlink(elsewhere, os.path.join(outbox, "gallery"))
    with pytest.raises(OSError):
        gallery.show(entry(1))
    assert os.listdir(elsewhere) == []


def test_files_have_the_mode_that_was_asked_for(outbox: str) -> None:
    os.mkdir(outbox)
    gallery = Gallery(outbox, "Scans", Ownership(mode=0o640))
    old = os.umask(0o077)
    try:
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
    assert all(":" not in address and not address.startswith("/") for address in parser.found)
    for name in PAGE:
        assert "//" not in Path(gallery.root, name).read_text(encoding="utf-8").replace("// ", "").replace(
            "file://", ""
        )


def test_twenty_thousand_pictures_cost_the_next_one_little(gallery: Gallery, outbox: str) -> None:
    """The work after one scan is one chunk and the index: counted in bytes, for times are the machine's."""
    for job in range(0, 20_000, CHUNK):
        gallery._write_chunk(job // CHUNK, [entry(job + n) for n in range(CHUNK)])
    data = os.path.join(gallery.root, "data")
    before = {name: os.stat(os.path.join(data, name)).st_ino for name in os.listdir(data)}
    gallery.show(entry(19_999, "again.jpg"))
    changed = [name for name in before if os.stat(os.path.join(data, name)).st_ino != before[name]]
    assert sorted(changed) == ["000099.js", "index.js"]
    assert sum(os.path.getsize(os.path.join(data, name)) for name in changed) < 200_000
    assert json.dumps(written(outbox, "index.js", "galleryIndex")).count('"n"') == 100
