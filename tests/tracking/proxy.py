"""Stands before a real server and spoils what passes: errors, delays, refusals, lost answers."""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOPS = ("connection", "transfer-encoding", "keep-alive", "host", "content-length")


class Handler(BaseHTTPRequestHandler):
    """Passes one request on, in the way that the proxy is set to."""

    protocol_version = "HTTP/1.1"
    server: "Proxy"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _take(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.way(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815

    def forward(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the real server."""
        kept = {k: v for k, v in self.headers.items() if k.lower() not in HOPS}
        upstream = HTTPConnection("127.0.0.1", self.server.target, timeout=120)
        try:
            upstream.request(self.command, self.path, self.body, kept)
            found = upstream.getresponse()
            return found.status, found.getheaders(), found.read()
        finally:
            upstream.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in HOPS:
                self.send_header(key, value)
        self.send_header("Content-Length", f"{len(body)}")
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True


Way = Callable[[Handler], None]


class Proxy(ThreadingHTTPServer):
    """Listens on a free port; `way` may be changed at any time."""

    daemon_threads = True

    def __init__(self, target: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.way, self._tls = target, passing, tls

    @property
    def address(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Encrypt the connection, in the thread that it has of its own."""
        if self._tls is None or (request := self._encrypted(request, self._tls)):
            super().finish_request(request, client_address)

    def _encrypted(self, request: Any, tls: ssl.SSLContext) -> ssl.SSLSocket | None:
        """Return the connection, or None where one side does not trust the other."""
        made = tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            made.do_handshake()
        except OSError:
            with suppress(OSError):  # a client that still sends would hear of no reason
                while os.read(made.fileno(), 2**16):
                    pass
            made.close()
            return None
        return made


def passing(request: Handler) -> None:
    """Spoil nothing."""
    request.answer(*request.forward())


def broken(request: Handler) -> None:
    """Answer 500 to everything."""
    request.answer(500, [], b"out of order")


def asking_for(header: str) -> Way:
    """Refuse whoever does not show exactly this login."""

    def way(request: Handler) -> None:
        if request.headers.get("Authorization") == header:
            passing(request)
        else:
            request.answer(401, [("WWW-Authenticate", "Basic")], b"who are you?")

    return way


def without_right_to(part: str) -> Way:
    """Refuse to change what has this part in its address."""

    def way(request: Handler) -> None:
        if part in request.path and request.command != "GET" and "search" not in request.path:
            said = b'{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'
            request.answer(403, [("Content-Type", "application/json")], said)
        else:
            passing(request)

    return way


def hanging_until(released: threading.Event) -> Way:
    """Pass everything on, but only from a certain moment on."""

    def way(request: Handler) -> None:
        released.wait()
        try:
            passing(request)
        except OSError:  # nobody waits for the answer any more
            request.hang_up()

    return way


class Forgetful:
    """Does what it was asked, but loses every other answer to a request that changes something."""

    def __init__(self) -> None:
        self.num_lost, self._lock, self._has_lost = 0, threading.Lock(), False

    def __call__(self, request: Handler) -> None:
        found = request.forward()
        with self._lock:
            changes = request.command != "GET" and "search" not in request.path
            self._has_lost = changes and not self._has_lost
            self.num_lost += self._has_lost
            is_lost = self._has_lost
        if is_lost:
            request.hang_up()
        else:
            request.answer(*found)


@contextmanager
def before(target: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Yield a proxy that listens; with `tls`, over HTTPS."""
    proxy = Proxy(target, tls)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
