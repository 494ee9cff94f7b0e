import io
import os
import tarfile

import cv2
import numpy as np
import pytest

from training.photographs import STORED_SIDE, build, read


def jpeg(bgr, height=48, width=64):
    ramp = np.linspace(0.5, 1, width)[None, :, None]
    picture = np.ones((height, width, 1)) * ramp * np.array(bgr)
    return cv2.imencode(".jpg", picture.astype(np.uint8))[1].tobytes()


@pytest.fixture
def shelf(tmp_path):
    """Two tars of classes, one of none, and a photograph in a folder."""
    for tar, names in {
        "train-A-open": ["a1", "a2"],
        "train-C-closed": ["c1"],
        "holidays": ["h1"],
    }.items():
        with tarfile.open(tmp_path / f"{tar}.tar", "w") as file:
            for name in names:
                content = jpeg((40, 90, 200))
                member = tarfile.TarInfo(name + ".jpg")
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "m1.JPG").write_bytes(jpeg((200, 90, 40)))
    return str(tmp_path)


def test_only_tars_of_the_wanted_classes_are_read(shelf):
    assert [(name, licence) for name, licence, _ in read([shelf], "AB")] == [
        ("h1.jpg", "-"),
        (os.path.join("more", "m1.JPG"), "-"),
        ("a1.jpg", "A"),
        ("a2.jpg", "A"),
    ]


def test_a_tar_can_be_named_by_itself(shelf):
    assert [name for name, _, _ in read([os.path.join(shelf, "train-C-closed.tar")], "C")] == ["c1.jpg"]


def test_an_album_gives_back_what_was_decoded(shelf, tmp_path):
    album = build([shelf], "AC", str(tmp_path / "album"))
    assert len(album.photographs) == 5
    one = album.photographs[0]
    bgr = cv2.imdecode(np.frombuffer(jpeg((40, 90, 200)), np.uint8), cv2.IMREAD_COLOR)
    assert (album.lab(one) == cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab)).all()


def test_grey_and_unreadable_photographs_are_left_out_and_counted(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "colour.jpg").write_bytes(jpeg((40, 90, 200)))
    (folder / "grey.jpg").write_bytes(jpeg((120, 120, 120)))
    (folder / "broken.jpg").write_bytes(b"no picture")
    album = build([str(folder)], "", str(tmp_path / "album"))
    assert [one.name for one in album.photographs] == ["colour.jpg"]
    assert album.left_out == {"unreadable": 1, "grey": 1}


def test_no_photograph_at_all_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="There is no photograph in colour"):
        build([str(tmp_path)], "AB", str(tmp_path / "album"))


def test_large_photographs_are_stored_small(tmp_path):
    (tmp_path / "large.jpg").write_bytes(jpeg((40, 90, 200), 600, 900))
    (one,) = build([str(tmp_path / "large.jpg")], "", str(tmp_path / "album")).photographs
    assert (one.height, one.width) == (STORED_SIDE, round(STORED_SIDE * 1.5))


def test_an_album_is_decoded_once_and_again_for_other_classes(shelf, tmp_path):
    folder = str(tmp_path / "album")
    build([shelf], "A", folder)
    written = os.stat(os.path.join(folder, "album.lab")).st_mtime_ns
    build([shelf], "A", folder)
    assert os.stat(os.path.join(folder, "album.lab")).st_mtime_ns == written
    assert len(build([shelf], "AC", folder).photographs) == 5


def test_the_held_out_are_the_same_on_every_run_and_never_learned_from(shelf, tmp_path):
    album = build([shelf], "AC", str(tmp_path / "album"))
    learned, held_out = album.split(2)
    assert (learned, held_out) == album.split(2)
    assert len(held_out) == 2
    assert not {one.name for one in learned} & {one.name for one in held_out}
