import os
import socket
import stat

import pytest

from colorwatch.errors import DiskError, ForbiddenFileError, GoneError, ScanError, UnreadableError
from colorwatch.formats.opening import open_regular


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    (tmp_path / "in" / "a" / "b" / "x.jpg").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    return str(tmp_path / "in")


def refused(root: str, path: str) -> ScanError:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ScanError) as caught:
        open_regular(root, path)
    assert len(os.listdir("/proc/self/fd")) == len(before)
    return caught.value


def test_a_regular_file_is_opened_read_only_and_close_on_exec(root):
    descriptor = open_regular(root, "a/b/x.jpg")
    try:
        assert os.read(descriptor, 10) == b"content"
        assert not os.get_inheritable(descriptor)
        with pytest.raises(OSError):
            os.write(descriptor, b"x")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "", ".", "a//b/x.jpg", "a/b/x.jpg\0"])
def test_a_path_that_leaves_its_folder_is_refused(root, path):
    assert isinstance(refused(root, path), ForbiddenFileError)


def test_a_link_at_the_end_is_refused_even_to_a_good_file(root):
    os.symlink("b/x.jpg", os.path.join(root, "a", "link.jpg"))
    error = refused(root, "a/link.jpg")
    assert isinstance(error, ForbiddenFileError)
    assert "link" in str(error)


def test_a_link_in_the_middle_is_refused(root):
    os.symlink("a", os.path.join(root, "other"))
    error = refused(root, "other/b/x.jpg")
    assert isinstance(error, ForbiddenFileError)
    assert "link" in str(error)


def test_a_root_that_is_a_link_is_followed(root, tmp_path):
    os.symlink(root, tmp_path / "link")
    os.close(open_regular(str(tmp_path / "link"), "a/b/x.jpg"))


def test_a_folder_named_like_a_picture_is_refused(root):
    os.mkdir(os.path.join(root, "d.jpg"))
    assert "a folder" in str(refused(root, "d.jpg"))


def test_a_fifo_never_blocks(root):
    os.mkfifo(os.path.join(root, "f.jpg"))
    assert "fifo" in str(refused(root, "f.jpg"))


def test_a_socket_is_refused(root, monkeypatch):
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.jpg")
        assert "a socket" in str(refused(root, "s.jpg"))


def test_a_fifo_swapped_in_after_the_first_look_is_refused_without_blocking(root, monkeypatch):
    fifo = os.path.join(root, "f.jpg")
    os.mkfifo(fifo)
    good = os.stat(os.path.join(root, "a/b/x.jpg"))
    monkeypatch.setattr("colorwatch.formats.opening._stat", lambda name, folder: good)
    assert "fifo" in str(refused(root, "f.jpg"))


def test_a_device_is_refused_before_it_is_opened():
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert "character device" in str(refused("/dev", "null"))


@pytest.mark.parametrize("path", ["gone.jpg", "gone/x.jpg", "a/b/x.jpg/y.jpg", "n" * 300])
def test_what_is_not_there_is_gone(root, path):
    assert isinstance(refused(root, path), GoneError)


def test_a_missing_root_is_the_disks_fault_and_waits(root):
    error = refused(root + "-nowhere", "x.jpg")
    assert isinstance(error, DiskError)
    assert error.retryable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(root):
    os.chmod(os.path.join(root, "a/b/x.jpg"), 0)
    assert isinstance(refused(root, "a/b/x.jpg"), UnreadableError)


def test_a_refused_permission_is_told_apart(root, monkeypatch):
    def denied(*args, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("colorwatch.formats.opening.os.stat", denied)
    assert isinstance(refused(root, "a/b/x.jpg"), UnreadableError)


@pytest.mark.parametrize("name", [b"new\nline.jpg", b"\xff\xfe.jpg", b"n" * 251 + b".jpg"])
def test_any_name_that_a_disk_can_hold_is_opened(root, name):
    with open(os.path.join(os.fsencode(root), name), "wb") as file:
        file.write(b"content")
    os.close(open_regular(root, os.fsdecode(name)))
