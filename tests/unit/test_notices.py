"""Notices reach people, or are lost; either way the work goes on."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from colorwatch import log
from colorwatch.config import Notify
from colorwatch.telling import notices
from colorwatch.telling.notices import MOST_WAITING, Notice, Notices, Sender
from waiting import eventually

SCAN = {"folder": "inbox", "file": "a\n<b>.jpg", "reason": "It is damaged."}


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]], list[int]]]:
    """A server's address, what it got, and the codes that it will answer (200 when there are none)."""
    got: list[tuple[dict[str, str], bytes]] = []
    codes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(codes.pop(0) if codes else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}/topic", got, codes
        listener.shutdown()
        thread.join()


def running(settings: Notify, send: Callable[[Notice], None], **more: Callable[[], float]) -> Notices:
    made = Notices(settings, send, **more)
    made.start()
    return made


class TestKinds:
    def test_a_line_of_the_log_becomes_a_notice_with_its_names_made_safe(self) -> None:
        sent: list[Notice] = []
        made = running(Notify(), sent.append)
        log.get("test").warning("job.quarantined", **SCAN)
        eventually(lambda: sent, 5, "a notice")
        made.close()
        assert sent == [Notice("quarantine", "a\\n<b>.jpg could not be coloured", "It is damaged.")]

    def test_only_what_was_asked_for_is_told(self) -> None:
        sent: list[Notice] = []
        made = running(Notify(on=("blind",)), sent.append)
        log.get("test").warning("job.quarantined", **SCAN)
        log.get("test").warning("folder.unreachable", folder="inbox", reason="the share is gone")
        eventually(lambda: sent, 5, "a notice")
        made.close()
        assert [notice.kind for notice in sent] == ["blind"]
        assert sent[0].urgent

    def test_after_the_end_nothing_is_heard(self) -> None:
        sent: list[Notice] = []
        running(Notify(), sent.append).close()
        log.get("test").warning("job.quarantined", **SCAN)
        assert sent == []

    def test_once_a_day_it_tells_what_was_done(self) -> None:
        sent: list[Notice] = []
        now = [time.mktime((2026, 11, 22, 18, 59, 59, 0, 0, -1))]
        made = running(Notify(digest_at="19:00"), sent.append, wall=lambda: now[0])
        for _ in range(3):
            made.hear("job.done", {})
        now[0] += 2
        eventually(lambda: sent, 5, "the digest")
        made.close()
        assert sent[0].text == "3 coloured, 0 in quarantine"


class TestTooMuch:
    def test_what_goes_beyond_is_gathered_into_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[Notice] = []
        now = [0.0]
        monkeypatch.setattr(Notices, "_seconds_to_wait", lambda self: 0.02)
        made = running(Notify(most_per_hour=2), sent.append, clock=lambda: now[0])
        for _ in range(50):
            made.hear("job.quarantined", SCAN)
        eventually(lambda: made._held == {"quarantine": 48}, 5, "the rest is held")
        assert len(sent) == 2
        now[0] = 3601
        eventually(lambda: len(sent) == 3, 5, "one more for the rest")
        made.close()
        assert sent[2].text.startswith("48 more (quarantine)")

    def test_telling_never_waits(self) -> None:
        stuck = threading.Event()
        made = running(Notify(most_per_hour=1000), lambda _: stuck.wait(30) and None)
        for _ in range(MOST_WAITING * 3):
            made.hear("job.quarantined", SCAN)
        assert made._held["quarantine"] >= MOST_WAITING
        stuck.set()
        made.close()


class TestServers:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ("gotify", {"title": "T", "message": "x", "priority": 4}),
            ("apprise", {"title": "T", "body": "x", "type": "info"}),
            ("json", {"kind": "quarantine", "title": "T", "text": "x", "urgent": False}),
        ],
    )
    def test_each_gets_it_in_its_own_shape(
        self, server: tuple[str, list[tuple[dict[str, str], bytes]], list[int]], shape: str, expected: object
    ) -> None:
        address, got, _ = server
        settings = Notify.model_validate({"webhook": address, "webhook_shape": shape})
        Sender(settings).send(Notice("quarantine", "T", "x"))
        assert json.loads(got[0][1]) == expected

    def test_ntfy_gets_title_and_text_with_letters_of_any_language(
        self, server: tuple[str, list[tuple[dict[str, str], bytes]], list[int]]
    ) -> None:
        address, got, _ = server
        Sender(Notify(webhook=address)).send(Notice("blind", "Großmutter", "Schön", urgent=True))
        headers, body = got[0]
        assert body.decode() == "Schön"
        assert headers["Priority"] == "high"
        assert headers["Title"].startswith("=?utf-8?")

    def test_the_token_goes_with_it_and_never_into_the_log(
        self,
        server: tuple[str, list[tuple[dict[str, str], bytes]], list[int]],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        address, got, codes = server
        token = tmp_path / "token"
        token.write_text("s3cret\n")
        codes.append(403)
        settings = Notify(webhook=f"{address}?key=s3cret", token_file=str(token))
        log.configure("debug", "json")
        made = running(settings, Sender(settings).send)
        made.tell(Notice("quarantine", "T", "x"))
        eventually(lambda: made._failing, 5, "it was refused")
        made.close()
        assert got[0][0]["Authorization"] == "Bearer s3cret"
        told = capsys.readouterr().err
        assert "the server answered 403" in told
        assert "s3cret" not in told

    @pytest.mark.parametrize("webhook", ["http://127.0.0.1:1/x", "http://no.such.host.invalid/"])
    def test_one_that_is_absent_is_said_once(self, webhook: str, capsys: pytest.CaptureFixture[str]) -> None:
        settings = Notify(webhook=webhook)
        log.configure("debug", "json")
        made = running(settings, Sender(settings).send)
        for _ in range(3):
            made.tell(Notice("quarantine", "T", "x"))
        eventually(lambda: len(made._sent) == 3, 20, "three were tried")
        made.close()
        assert capsys.readouterr().err.count("notice.failed") == 1

    @pytest.mark.parametrize("answer", [b"no word of HTTP\r\n\r\n", b""])
    def test_one_that_answers_nonsense_is_said_and_the_next_notice_still_goes_out(
        self, answer: bytes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import socket

        def broken(listener: socket.socket) -> None:
            for _ in range(2):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        log.configure("debug", "json")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            talker = threading.Thread(target=broken, args=(listener,), daemon=True)
            talker.start()
            settings = Notify(webhook=f"http://127.0.0.1:{listener.getsockname()[1]}/")
            made = running(settings, Sender(settings).send)
            for _ in range(2):
                made.tell(Notice("quarantine", "T", "x"))
            eventually(lambda: len(made._sent) == 2 and not talker.is_alive(), 10, "both were tried")
            made.close()
        told = capsys.readouterr().err
        assert told.count("notice.failed") == 1
        assert "Traceback" not in told

    def test_one_that_never_answers_does_not_keep_the_daemon_from_ending(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notices, "SEND_SECONDS", 3.0)
        import socket

        with socket.create_server(("127.0.0.1", 0)) as silent:
            settings = Notify(webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/")
            made = running(settings, Sender(settings).send)
            made.tell(Notice("quarantine", "T", "x"))
            eventually(lambda: made._sent, 5, "it is being sent")
            start = time.monotonic()
            made.close(seconds=0.2)
            assert time.monotonic() - start < 2
            made._thread.join(10)


class TestCommands:
    def test_words_are_arguments_and_never_a_shell_s(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        script = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + '|' + os.environ['COLORWATCH_TEXT'])"
        settings = Notify(command=(sys.executable, "-c", script, str(out), "{title}"))
        Sender(settings).send(Notice("quarantine", "$(touch /tmp/x); 'T'", "a `b`"))
        assert out.read_text() == "$(touch /tmp/x); 'T'|a `b`"

    def test_one_that_fails_is_said_with_its_exit_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        settings = Notify(command=(sys.executable, "-c", "raise SystemExit(3)"))
        log.configure("info", "json")
        made = running(settings, Sender(settings).send)
        made.tell(Notice("quarantine", "T", "x"))
        eventually(lambda: made._failing, 10, "it failed")
        made.close()
        assert "exit code 3" in capsys.readouterr().err

    def test_one_that_is_not_there_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        settings = Notify(command=(os.path.join("/no", "such", "command"),))
        log.configure("info", "json")
        made = running(settings, Sender(settings).send)
        made.tell(Notice("quarantine", "T", "x"))
        eventually(lambda: made._failing, 10, "it failed")
        made.close()
        assert "notice.failed" in capsys.readouterr().err
