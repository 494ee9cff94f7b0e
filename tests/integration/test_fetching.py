"""Whatever a server does, the right file is put in place, or none, with the reason said."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.errors import ModelError
from colorwatch.modelstore import fetching
from colorwatch.modelstore.fetching import Wanted, fetch
from webserver import Request, WebServer, serving

MODEL = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


class Store:
    """The folder that is fetched into, and what was told of the progress."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "models" / "model.bin"
        self.part = folder / "models" / "model.bin.part"
        self.told: list[tuple[int, int | None]] = []

    def fetch(self, *addresses: str, size: int | None = len(MODEL), silence: float = 20.0) -> None:
        wanted = Wanted(SHA256, size, size or 4_000_000, addresses)
        fetch(wanted, str(self.target), lambda come, total: self.told.append((come, total)), silence)

    def refused(self, *addresses: str, size: int | None = len(MODEL), silence: float = 20.0) -> str:
        """The reason why nothing was put in place."""
        with pytest.raises(ModelError) as caught:
            self.fetch(*addresses, size=size, silence=silence)
        assert not self.target.exists()
        return str(caught.value)

    def begun(self, content: bytes) -> None:
        self.part.parent.mkdir(exist_ok=True)
        self.part.write_bytes(content)

    @property
    def is_right(self) -> bool:
        whole = self.target.read_bytes() == MODEL
        return whole and os.listdir(self.target.parent) == [self.target.name]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


class TestGood:
    @pytest.mark.parametrize("size", [len(MODEL), None])
    def test_file_is_fetched_and_its_progress_told(self, server: WebServer, store: Store, size: int | None) -> None:
        store.fetch(server.at("/m", lambda request: request.rest(MODEL)), size=size)
        assert store.is_right
        assert store.target.stat().st_mode & 0o777 == 0o644
        assert store.told[0] == (0, len(MODEL))
        assert store.told[-1] == (len(MODEL), len(MODEL))
        assert store.told == sorted(store.told)

    def test_file_without_an_announced_length_is_fetched(self, server: WebServer, store: Store) -> None:
        def answer(request: Request) -> None:
            request.head(200)
            request.body(MODEL)

        store.fetch(server.at("/m", answer))
        assert store.is_right

    def test_redirects_are_followed(self, server: WebServer, store: Store) -> None:
        server.at("/there", lambda request: request.rest(MODEL))
        store.fetch(server.at("/m", lambda request: request.head(302, Location="/there", Content_Length=0)))
        assert store.is_right

    def test_slow_server_may_take_longer_than_the_silence_it_is_allowed(self, server: WebServer, store: Store) -> None:
        def answer(request: Request) -> None:
            request.head(200, Content_Length=len(MODEL))
            for start in range(0, len(MODEL), 500_000):
                request.body(MODEL[start : start + 500_000])
                server.done.wait(0.25)

        store.fetch(server.at("/m", answer), silence=1.0)
        assert store.is_right

    def test_proxy_of_the_environment_is_asked(
        self, server: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.answers["http://models.example/m"] = lambda request: request.rest(MODEL)
        monkeypatch.setenv("http_proxy", server.address)
        store.fetch("http://models.example/m")
        assert store.is_right


class TestResuming:
    def test_transfer_that_breaks_off_goes_on_where_it_was(self, server: WebServer, store: Store) -> None:
        store.fetch(server.at("/m", lambda request: request.rest(MODEL, request.start + 1_000_000)))
        assert store.is_right
        assert [start for _, start in server.starts] == [0, 1_000_000, 2_000_000]

    def test_fetch_goes_on_where_an_earlier_one_ended(self, server: WebServer, store: Store) -> None:
        store.begun(MODEL[:2_500_000])
        store.fetch(server.at("/m", lambda request: request.rest(MODEL)))
        assert store.is_right
        assert server.starts == [("/m", 2_500_000)]

    def test_other_address_goes_on_where_the_first_broke_off(self, server: WebServer, store: Store) -> None:
        def dying(request: Request) -> None:
            request.rest(MODEL, max(request.start, 1_234_567))

        good = server.at("/b", lambda request: request.rest(MODEL))
        store.fetch(server.at("/a", dying), good)
        assert store.is_right
        assert server.starts == [("/a", 0), ("/a", 1_234_567), ("/b", 1_234_567)]

    def test_part_of_another_file_costs_one_more_try(self, server: WebServer, store: Store) -> None:
        store.begun(b"x" * 1_000_000)
        store.fetch(server.at("/m", lambda request: request.rest(MODEL)))
        assert store.is_right
        assert [start for _, start in server.starts] == [1_000_000, 0]

    @pytest.mark.parametrize("content", [b"x" * 4_000_000, b"x" * 3_000_000])
    def test_part_as_large_as_the_file_that_is_wrong_is_thrown_away(
        self, server: WebServer, store: Store, content: bytes
    ) -> None:
        store.begun(content)
        store.fetch(server.at("/m", lambda request: request.rest(MODEL)))
        assert store.is_right
        assert server.starts == [("/m", 0)]

    def test_part_that_is_the_whole_file_needs_no_server(self, store: Store) -> None:
        store.begun(MODEL)
        store.fetch("http://127.0.0.1:1/m", size=None)
        assert store.is_right

    def test_server_that_ignores_ranges_is_taken_from_the_beginning(self, server: WebServer, store: Store) -> None:
        store.begun(MODEL[:1_000_000])
        store.fetch(server.at("/m", lambda request: request.whole(MODEL)))
        assert store.is_right

    def test_server_that_refuses_the_range_is_asked_for_all(self, server: WebServer, store: Store) -> None:
        def answer(request: Request) -> None:
            request.head(416, Content_Length=0) if request.start else request.whole(MODEL)

        store.begun(MODEL[:1_000_000])
        store.fetch(server.at("/m", answer))
        assert store.is_right

    @pytest.mark.parametrize("told", ["bytes 7-2999999/3000000", "bytes */3000000", "items 1000000-2/3", "", "x" * 500])
    def test_range_that_is_another_one_is_not_used(self, server: WebServer, store: Store, told: str) -> None:
        def answer(request: Request) -> None:
            if request.start:
                request.head(206, Content_Length=10, Content_Range=told)
                request.body(b"y" * 10)
            else:
                request.whole(MODEL)

        store.begun(MODEL[:1_000_000])
        store.fetch(server.at("/m", answer))
        assert store.is_right

    def test_range_that_was_not_asked_for_is_refused(self, server: WebServer, store: Store) -> None:
        span = f"bytes 0-{len(MODEL) - 1}/{len(MODEL)}"
        reason = store.refused(server.at("/m", lambda r: r.head(206, Content_Length=0, Content_Range=span)))
        assert "it sends another part of the file than it was asked for" in reason

    def test_server_that_gives_a_byte_at_a_time_is_given_up(self, server: WebServer, store: Store) -> None:
        reason = store.refused(server.at("/m", lambda request: request.rest(MODEL, request.start + 1)))
        assert f"it broke off {fetching.RESUMES} times" in reason
        assert len(server.starts) == fetching.RESUMES

    def test_fetch_that_is_killed_is_resumed(self, server: WebServer, store: Store) -> None:
        def hanging(request: Request) -> None:
            request.rest(MODEL, 2_000_000)
            server.done.wait(30)

        address = server.at("/m", hanging)
        code = (
            "import sys; from colorwatch.modelstore.fetching import *\n"
            "def told(come, total):\n    come == 2000000 and print('there', flush=True)\n"
            f"fetch(Wanted('{SHA256}', {len(MODEL)}, {len(MODEL)}, [sys.argv[1]]), sys.argv[2], told)"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, address, str(store.target)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child.stdout as output:
            assert output.readline() == "there\n"
            child.kill()
        child.wait(10)
        assert store.part.stat().st_size == 2_000_000
        store.fetch(server.at("/m", lambda request: request.rest(MODEL)))
        assert store.is_right
        assert server.starts[-1] == ("/m", 2_000_000)


class TestBad:
    """Each of these servers is refused, and the one after it is used."""

    @staticmethod
    def wrong_bytes(request: Request) -> None:
        request.whole(MODEL[:-1] + b"?")

    @staticmethod
    def announces_less(request: Request) -> None:
        request.head(200, Content_Length=len(MODEL) - 1)
        request.body(MODEL)

    @staticmethod
    def announces_more(request: Request) -> None:
        request.head(200, Content_Length=len(MODEL) + 1)
        request.body(MODEL + b"?")

    @staticmethod
    def sends_more(request: Request) -> None:
        request.head(200)
        request.body(MODEL + b"?" * 1_000_000)

    @staticmethod
    def web_page(request: Request) -> None:
        request.head(200, Content_Type="text/html; charset=utf-8")
        request.body(b"<!doctype html><p>Log in first")

    @staticmethod
    def web_page_unlabelled(request: Request) -> None:
        request.whole(b"<!doctype html><p>Log in first")

    @staticmethod
    def packed(request: Request) -> None:
        request.head(200, Content_Encoding="gzip", Content_Length=3)
        request.body(b"abc")

    @staticmethod
    def gone(request: Request) -> None:
        request.head(404, Content_Length=0)

    @staticmethod
    def circle(request: Request) -> None:
        request.head(302, Location=request.path, Content_Length=0)

    @staticmethod
    def long_way(request: Request) -> None:
        request.head(302, Location="file:///etc/passwd", Content_Length=0)

    @staticmethod
    def old_way(request: Request) -> None:
        request.head(301, Location="ftp://127.0.0.1/m", Content_Length=0)

    @staticmethod
    def refuses(request: Request) -> None:
        request.head(416, Content_Length=0)

    @staticmethod
    def says_nothing(request: Request) -> None:
        request.connection.close_connection = True

    @staticmethod
    def no_content(request: Request) -> None:
        request.head(204)

    @staticmethod
    def nonsense(request: Request) -> None:
        request.connection.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("wrong_bytes", "it sends another file (the sha256 is wrong)"),
            ("announces_less", "it announces 2,999,999 bytes instead of 3,000,000"),
            ("announces_more", "it announces 3,000,001 bytes instead of 3,000,000"),
            ("sends_more", "it sends more than the 3,000,000 bytes that the file can have"),
            ("web_page", "it sends a web page, not the file"),
            ("web_page_unlabelled", "it announces 30 bytes instead of 3,000,000"),
            ("packed", "it sends the file packed"),
            ("gone", "it answers 404 Not Found"),
            ("circle", "it redirects in a circle"),
            ("long_way", "it redirects to something that is no web address"),
            ("old_way", "it redirects to something that is no web address"),
            ("refuses", "it refuses to send the file (416)"),
            ("says_nothing", "it broke off ("),
            ("no_content", "it answers 204 No Content"),
            ("nonsense", "it broke off (SSH-2.0-OpenSSH_9.2"),
        ],
    )
    def test_is_refused_and_the_next_is_used(self, server: WebServer, store: Store, name: str, reason: str) -> None:
        bad = server.at("/bad", getattr(self, name))
        told = store.refused(bad)
        assert f"{bad}: {reason}" in told
        assert f"can be taken with --from FILE (sha256 {SHA256})" in told
        assert "offline" not in told
        assert not store.part.exists()
        store.fetch(bad, server.at("/good", lambda request: request.rest(MODEL)))
        assert store.is_right

    def test_of_unknown_size_is_stopped_at_the_most_that_it_can_have(self, server: WebServer, store: Store) -> None:
        def endless(request: Request) -> None:
            request.head(200)
            for _ in range(100):
                request.body(b"?" * 1_000_000)

        assert "more than the 4,000,000 bytes" in store.refused(server.at("/m", endless), size=None)
        announced = server.at("/n", lambda request: request.head(200, Content_Length=10**14))
        assert "it announces 100,000,000,000,000 bytes, more than" in store.refused(announced, size=None)

    def test_is_given_up_once_it_is_silent(self, server: WebServer, store: Store) -> None:
        def silent(request: Request) -> None:
            request.rest(MODEL, 1_000_000)
            server.done.wait(30)

        def mute(request: Request) -> None:
            server.done.wait(30)

        told = store.refused(server.at("/m", silent), server.at("/n", mute), silence=0.3)
        assert told.count("it broke off (it is silent)") == 2
        assert "The 1,000,000 bytes that came are kept; the next fetch goes on from there." in told
        assert store.part.read_bytes() == MODEL[:1_000_000]

    @pytest.mark.parametrize("address", ["ftp://127.0.0.1/m", "file:///etc/passwd", "data:,x", "m", "http://[x/m"])
    def test_address_that_is_none_of_the_web_is_refused(self, store: Store, address: str) -> None:
        assert "this address cannot be used" in store.refused(address) or "no address" in store.refused(address)

    def test_each_address_has_its_reason(self, server: WebServer, store: Store) -> None:
        told = store.refused(server.at("/a", self.gone), server.at("/b", self.web_page))
        assert "/a: it answers 404 Not Found; " in told
        assert "/b: it sends a web page, not the file." in told

    def test_machine_that_is_offline_is_told_so(self, store: Store) -> None:
        told = store.refused("http://127.0.0.1:1/a", "http://colorwatch.invalid/b")
        assert told.startswith(
            "It could not be fetched: this machine seems to be offline. http://127.0.0.1:1/a: nothing"
        )


class TestDisk:
    def test_what_has_the_name_already_is_never_written_over(self, server: WebServer, store: Store) -> None:
        address = server.at("/m", lambda request: request.rest(MODEL))
        store.begun(b"")
        store.target.write_bytes(b"mine")
        with pytest.raises(ModelError, match="is there already; nothing was written over"):
            store.fetch(address)
        assert store.target.read_bytes() == b"mine"

    def test_second_fetch_of_the_same_file_is_refused(self, store: Store) -> None:
        store.begun(b"abc")
        with open(store.part) as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert store.refused("http://127.0.0.1:1/m").startswith("Another colorwatch fetches")
        assert store.part.read_bytes() == b"abc"

    @pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
    def test_strange_part_is_not_written_to(self, store: Store, tmp_path: Path, kind: str) -> None:
        store.part.parent.mkdir()
        (tmp_path / "mine").write_bytes(b"mine")
        if kind == "fifo":
            os.mkfifo(store.part)
        elif kind == "link":
            store.part.symlink_to(tmp_path / "mine")
        else:
            store.part.mkdir()
        assert str(store.part) in store.refused("http://127.0.0.1:1/m")
        assert (tmp_path / "mine").read_bytes() == b"mine"

    def test_disk_that_is_full_keeps_what_came_and_says_so(self, server: WebServer, store: Store) -> None:
        """A limit on the size of files stands in for a full disk: the write fails with an error of the system."""
        code = (
            "import resource, signal, sys; from colorwatch.modelstore.fetching import *\n"
            "from colorwatch.errors import ModelError\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))\n"
            f"wanted = Wanted('{SHA256}', {len(MODEL)}, {len(MODEL)}, [sys.argv[1]])\n"
            "try: fetch(wanted, sys.argv[2], lambda come, total: None)\n"
            "except ModelError as error: print(error)"
        )
        address = server.at("/m", lambda request: request.rest(MODEL))
        command = [sys.executable, "-c", code, address, str(store.target)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert f"{store.part} cannot be written: file too large; make room or allow it, and fetch again." in told
        assert "The 1,000,000 bytes that came are kept" in told
        store.fetch(address)
        assert store.is_right
        assert server.starts[-1] == ("/m", 1_000_000)

    def test_disk_without_room_is_told_before_the_first_byte(
        self, server: WebServer, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.fstatvfs

        def nearly_full(fd: int) -> os.statvfs_result:
            found = list(real(fd))
            found[4] = 3  # f_bavail
            return os.statvfs_result(found)

        monkeypatch.setattr(os, "fstatvfs", nearly_full)
        told = store.refused(server.at("/m", lambda request: request.rest(MODEL)))
        assert "bytes free, and 3,000,000 are needed; make room and fetch again." in told

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_folder_that_may_not_be_written_is_named(self, store: Store) -> None:
        store.target.parent.mkdir(mode=0o500)
        assert "permission is denied" in store.refused("http://127.0.0.1:1/m")

    def test_folder_that_cannot_be_made_is_named(self, store: Store) -> None:
        store.target.parent.write_bytes(b"a file")
        with pytest.raises(ModelError, match=r"The folder .* cannot be made"):
            store.fetch("http://127.0.0.1:1/m")
