"""Refuse requests that MLflow's scoring server should not begin to read.

It stands in front of that server as ASGI middleware: https://asgi.readthedocs.io. What passes is
JSON of the documented form, of limited size and depth, with a limited number of images; everything
else is answered by a status from 400 to 499 and one line.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, NoReturn

import numpy as np

from pipeline.serving.limits import Limits

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MIB = 2**20
MAX_DEPTH = 12  # seven are needed: the request, its table, its rows, and rows and columns of pixels
DROPPED = 4  # requests of up to this many times the allowed size are read to their end
MARKS = b'[]{}"'
NO_MARKS = bytes(set(range(256)) - set(MARKS))
FORMS = (
    'allowed {"dataframe_records": [{"image": …}, …]} or '
    '{"dataframe_split": {"columns": ["image"], "data": [[…], …]}}'
)


class RefusedError(Exception):
    """A request that is not passed on."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gate:
    """Passes on requests within the limits."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", "/invocations"):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._arrived(scope, receive)
            _check_type(scope)
            await asyncio.to_thread(check, body, self._limits)
        except RefusedError as refused:
            await _answer(send, refused)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _arrived(self, scope: Scope, receive: Receive) -> bytes:
        """Read the body, up to the limits of size and time."""
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                return await self._read(scope, receive)
        except TimeoutError:
            late = f"the request did not arrive within {self._limits.timeout_s} s"
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, late) from None

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Read a body; of one that is too large, drop the rest, so that its sender hears why."""
        allowed = self._limits.max_request_mib * MIB
        announced = _header(scope, b"content-length")
        is_huge = announced.isdigit() and int(announced) > DROPPED * allowed
        parts, size, is_more = [], int(announced) if is_huge else 0, True
        while is_more and size <= DROPPED * allowed:
            event = await receive()
            if event["type"] == "http.disconnect":
                _refuse("the request ends early")
            part, is_more = event.get("body", b""), event.get("more_body", False)
            size += len(part)
            if size <= allowed:
                parts.append(part)
        if size > allowed:
            message = f"a request of {size:,} bytes or more; allowed {allowed:,}"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return b"".join(parts)


def check(body: bytes, limits: Limits) -> None:
    """Check the form of a request; leave its images to the model.

    Raises:
        RefusedError: it is not JSON, of another form, nested too deeply, or has too many images.
    """
    if depth(body) > MAX_DEPTH:
        _refuse(f"lists and mappings nested deeper than {MAX_DEPTH}")
    try:
        tree = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"not JSON: {str(error)[:200]}")
    num_images = _num_images(tree)
    if num_images > limits.max_images:
        message = f"{num_images:,} images; allowed {limits.max_images:,} in one request"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


def depth(body: bytes) -> int:
    """Return how deeply lists and mappings are nested in JSON, before it is parsed."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = np.frombuffer(unescaped.translate(None, NO_MARKS), np.uint8)
    is_quote = marks == ord('"')
    is_text = np.cumsum(is_quote, dtype=np.uint8) % 2 == 1  # whose parity outlives an overflow
    brackets = marks[~is_quote & ~is_text]
    is_open = (brackets == ord("[")) | (brackets == ord("{"))
    steps = np.where(is_open, np.int8(1), np.int8(-1))
    return int(steps.cumsum(dtype=np.int32).max(initial=0))


def _num_images(tree: Any) -> int:
    """Count the rows of a request, all of which must have the one column `image`."""
    form, table = next(iter(tree.items())) if isinstance(tree, dict) and len(tree) == 1 else ("", 0)
    if form == "dataframe_records" and isinstance(table, list):
        rows = [list(row) == ["image"] if isinstance(row, dict) else False for row in table]
    elif form == "dataframe_split" and isinstance(table, dict):
        named = table.get("columns") == ["image"] and set(table) <= {"columns", "data", "index"}
        data = table.get("data") if named else None
        rows = [isinstance(row, list) and len(row) == 1 for row in data or ()]
        rows = rows if isinstance(data, list) else [False]
    else:
        rows = [False]
    if not rows:
        _refuse(f"no image; {FORMS}")
    if not all(rows):
        _refuse(f"no table with the one column image; {FORMS}")
    return len(rows)


def _check_type(scope: Scope) -> None:
    given = _header(scope, b"content-type").decode("latin-1")
    if given.lower().replace(" ", "") not in ("application/json", "application/json;charset=utf-8"):
        message = f"content type {given[:80] or 'missing'}; allowed application/json, in UTF-8"
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _refuse(message: str) -> NoReturn:
    raise RefusedError(HTTPStatus.BAD_REQUEST, message)


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"got {name}; allowed numbers that JSON knows")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a function that hands over a body that has been read already."""
    events = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> dict[str, Any]:
        return next(events, None) or await receive()

    return replay


async def _answer(send: Send, refused: RefusedError) -> None:
    """Answer in the form of MLflow's server; hang up where the rest of a request may follow."""
    body = json.dumps({"error_code": "BAD_REQUEST", "message": str(refused)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(refused.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
