"""The log shows what happened, passes nothing harmful on to a terminal, and never stops the work."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from colorwatch import log

HOSTILE = "a\nb\x1b[2J\x07\u202e\udcff.jpg"
SAFE = "a\\nb\\x1b[2J\\x07\\u202e\\udcff.jpg"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class TestJson:
    def test_line_has_time_level_event_source_and_values_in_that_order(self) -> None:
        stream = io.StringIO()
        log.configure("info", "json", stream)
        log.get("service").info("job.done", path="cat.jpg", pixels=12, seconds={"net": 0.5}, note=None, ok=True)
        (line,) = lines(stream)
        assert list(line) == ["timestamp", "level", "event", "source", "path", "pixels", "seconds", "note", "ok"]
        assert line["timestamp"].endswith("Z")
        assert line | {"timestamp": ""} == {
            "timestamp": "",
            "level": "info",
            "event": "job.done",
            "source": "service",
            "path": "cat.jpg",
            "pixels": 12,
            "seconds": {"net": 0.5},
            "note": None,
            "ok": True,
        }

    def test_auto_is_json_where_nobody_reads_along(self) -> None:
        stream = io.StringIO()
        log.configure(stream=stream)
        log.get("x").info("job.done")
        assert lines(stream)[0]["event"] == "job.done"

    def test_levels_below_the_configured_one_are_left_out(self) -> None:
        stream = io.StringIO()
        log.configure("warning", "json", stream)
        logger = log.get("x")
        for tell in (logger.debug, logger.info, logger.warning, logger.error):
            tell("some.event")
        assert [line["level"] for line in lines(stream)] == ["warning", "error"]

    def test_numbers_that_json_does_not_know_become_text(self) -> None:
        stream = io.StringIO()
        log.configure("info", "json", stream)
        log.get("x").info("a.b", low=float("-inf"), none=float("nan"))
        assert (lines(stream)[0]["low"], lines(stream)[0]["none"]) == ("-inf", "nan")

    @settings(deadline=None)
    @given(st.text(), st.binary(), st.floats(), st.dictionaries(st.text(), st.text(), max_size=3))
    def test_any_values_give_one_line_of_json_without_control_characters(
        self, text: str, raw: bytes, number: float, mapping: dict[str, str]
    ) -> None:
        stream = io.StringIO()
        log.configure("info", "json", stream)
        log.get("x").info("a.b", path=text, raw=raw, number=number, mapping=mapping, several=[text, (raw,)])
        assert stream.getvalue().count("\n") == 1
        assert stream.getvalue()[:-1].isprintable()
        assert len(lines(stream)) == 1
        stream.getvalue().encode("utf-8")


class TestConsole:
    def test_line_is_readable_and_without_colours_where_the_stream_is_no_terminal(self) -> None:
        stream = io.StringIO()
        log.configure("info", "console", stream)
        log.get("service").info("job.done", path="cat.jpg", pixels=12)
        assert stream.getvalue().split()[1:] == [
            "[info",
            "]",
            "job.done",
            "source=service",
            "path=cat.jpg",
            "pixels=12",
        ]
        assert "\x1b" not in stream.getvalue()

    def test_terminal_gets_the_console_form_in_colours(self) -> None:
        leader, follower = pty.openpty()
        with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as terminal:
            log.configure(stream=terminal)
            log.get("service").info("job.done", path="cat.jpg")
            shown = screen.read(4096)
        assert b"job.done" in shown
        assert b"\x1b[" in shown
        assert not shown.startswith(b"{")

    def test_terminal_gets_json_where_the_config_says_so(self) -> None:
        leader, follower = pty.openpty()
        with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as terminal:
            log.configure(format="json", stream=terminal)
            log.get("service").info("job.done")
            assert json.loads(screen.read(4096))["event"] == "job.done"


@pytest.mark.parametrize("form", ["console", "json"])
class TestHostileNames:
    def told(self, form: log.Format, **values: object) -> str:
        stream = io.StringIO()
        log.configure("info", form, stream)
        log.get("x").info("a.b", **values)
        return stream.getvalue()

    @pytest.mark.parametrize(
        "value", [HOSTILE, [HOSTILE], {HOSTILE: HOSTILE}, OSError(HOSTILE), os.fsencode("a\n\udcff")]
    )
    def test_reach_no_line_raw(self, form: log.Format, value: object) -> None:
        told = self.told(form, value=value)
        assert told.count("\n") == 1
        assert told[:-1].isprintable()

    def test_are_still_recognisable(self, form: log.Format) -> None:
        told = self.told(form, path=HOSTILE)
        assert (SAFE if form == "console" else json.dumps(SAFE)) in told

    def test_in_an_exception_cannot_pass_for_lines_of_their_own(self, form: log.Format) -> None:
        stream = io.StringIO()
        log.configure("info", form, stream)
        hostile = ValueError('x\n{"event": "job.done"}\x1b[2J')
        log.get("x").error("a.b", exc_info=hostile)
        first, *others = stream.getvalue().splitlines()
        assert "a.b" in first
        assert others or form == "json"
        assert all(line.startswith("  | ") for line in others)
        assert "\x1b" not in stream.getvalue()


class TestBrokenStreams:
    def test_full_disk_is_no_error(self) -> None:
        with open("/dev/full", "wb", buffering=0) as raw:
            log.configure(stream=io.TextIOWrapper(raw, write_through=True))
            for _ in range(3):
                log.get("x").error("a.b", text="x" * 100_000)

    def test_reader_that_went_away_is_no_error(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        stream = os.fdopen(writing, "w")
        log.configure(stream=stream)
        log.get("x").error("a.b")
        with pytest.raises(BrokenPipeError):
            stream.close()

    def test_closed_stream_is_no_error(self) -> None:
        stream = io.StringIO()
        log.configure(stream=stream)
        stream.close()
        log.get("x").error("a.b")
        log.configure(stream=stream)
        log.get("x").error("a.b")

    def test_no_standard_error_at_all_is_no_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stderr", None)
        log.configure()
        log.get("x").error("a.b")

    def test_log_goes_on_once_its_reader_does(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "w") as stream:
            log.configure(stream=stream)
            for _ in range(50):
                log.get("x").error("a.b", text="x" * 10_000)
            while reader.read(1 << 20):
                pass
            log.get("x").error("last.line")
            assert b"last.line" in (reader.read(1 << 20) or b"")

    @pytest.mark.parametrize(("form", "shown"), [("json", b'"K\\u00e4se"'), ("console", b"K\\xe4se")])
    def test_letters_that_the_stream_cannot_encode_are_escaped(self, form: log.Format, shown: bytes) -> None:
        raw = io.BytesIO()
        log.configure(format=form, stream=io.TextIOWrapper(raw, encoding="ascii"))
        log.get("x").info("a.b", path="Käse")
        assert shown in raw.getvalue()


class TestStandardLogging:
    def test_warnings_of_libraries_come_through_and_their_chatter_does_not(self) -> None:
        stream = io.StringIO()
        log.configure("debug", "json", stream)
        library = logging.getLogger("watchdog.observers")
        library.info("chatter")
        library.warning("queue of %s overflowed", HOSTILE)
        (line,) = lines(stream)
        assert line["level"] == "warning"
        assert line["event"] == "library.message"
        assert line["source"] == "watchdog.observers"
        assert line["message"] == f"queue of {SAFE} overflowed"

    def test_record_whose_values_do_not_fit_is_told_all_the_same(self) -> None:
        stream = io.StringIO()
        log.configure("info", "json", stream)
        (handler,) = [handler for handler in logging.getLogger().handlers if "colorwatch" in type(handler).__module__]
        handler.handle(logging.LogRecord("library", logging.ERROR, "", 0, "%d files", ("many",), None))
        assert lines(stream)[0]["message"] == "%d files"

    def test_setting_up_twice_tells_each_record_once(self) -> None:
        stream = io.StringIO()
        log.configure("info", "json", stream)
        log.configure("info", "json", stream)
        logging.getLogger("library").critical("once")
        assert [line["message"] for line in lines(stream)] == ["once"]


def test_logger_made_before_the_set_up_follows_it() -> None:
    early = log.get("early")
    stream = io.StringIO()
    log.configure("info", "json", stream)
    early.info("a.b")
    assert lines(stream)[0]["source"] == "early"


def test_log_that_was_never_set_up_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    log.get("x").info("a.b")
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["event"] == "a.b"


def test_lines_of_many_threads_do_not_mix() -> None:
    stream = io.StringIO()
    log.configure("info", "json", stream)
    threads = [
        threading.Thread(target=lambda: [log.get("x").info("a.b", text="x" * 500) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 400
