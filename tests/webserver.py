"""A web server on this machine that serves what a test tells it to, well or badly."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """One request as it came, and the ways to answer it."""

    connection: BaseHTTPRequestHandler
    path: str
    start: int  # of the range that was asked for; 0 without one

    def head(self, status: int, **headers: str | int) -> None:
        """The status line and headers; `_` in their names stands for `-`."""
        self.connection.send_response(status)
        for name, value in headers.items():
            self.connection.send_header(name.replace("_", "-"), str(value))
        self.connection.end_headers()

    def body(self, content: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the client may have heard enough
            self.connection.wfile.write(content)
            self.connection.wfile.flush()

    def whole(self, content: bytes) -> None:
        self.head(200, Content_Length=len(content))
        self.body(content)

    def rest(self, content: bytes, upto: int | None = None) -> None:
        """As a good server does: the range that was asked for, of which only the bytes before `upto` are sent."""
        if self.start:
            span = f"bytes {self.start}-{len(content) - 1}/{len(content)}"
            self.head(206, Content_Length=len(content) - self.start, Content_Range=span)
        else:
            self.head(200, Content_Length=len(content))
        self.body(content[self.start : upto])


Answer = Callable[[Request], None]


@dataclass
class WebServer:
    """`answers` by path; `starts` holds the path and the range's start of every request that came."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    starts: list[tuple[str, int]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)  # set at the end: slow answers wait on it

    def at(self, path: str, answer: Answer) -> str:
        """Answers `path` so from now on; its whole address."""
        self.answers[path] = answer
        return self.address + path


@contextlib.contextmanager
def serving() -> Iterator[WebServer]:
    """A server on a free port of 127.0.0.1, stopped at the end."""
    server = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
            server.starts.append((self.path, int(text)))
            server.answers[self.path](Request(self, self.path, int(text)))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server.address = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.done.set()
            listener.shutdown()
            thread.join()
