"""The server: answers what `predict` answers, and no request brings it down."""

import asyncio
import base64
import json
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import numpy as np
import psutil
import pytest

from pipeline.core.paths import Layout
from pipeline.images.packed import Packed
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.gate import MAX_DEPTH, Gate, RefusedError, check, depth
from pipeline.serving.layout import INSIDE
from pipeline.serving.limits import Limits
from tests.conftest import Workspace
from tests.preprocessing.make_images import encode
from tests.serving.malformed import JSON, malformed, records, text_of

MIB = 2**20


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def __call__(
        self, method: str, path: str, body: bytes | None = None, headers: Any = JSON
    ) -> tuple[int, str]:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read().decode()

    def post(self, *images: Any) -> list[dict[str, Any]]:
        status, text = self("POST", "/invocations", records(*images))
        assert status == 200, text
        return json.loads(text)["predictions"]


@pytest.fixture(scope="module")
def server(reproduced: Workspace) -> "Iterator[tuple[psutil.Process, Client]]":
    """A server that Ctrl-C ends in the end, without an error and without a word."""
    options = ("--max-pixels", "10000", "--max-request-mib", "2")
    command = ("python", "-m", "pipeline", "serve", *options)
    started = reproduced.start(*command, OMP_NUM_THREADS="1")
    assert started.stdout
    lines = iter(started.stdout)
    address = re.compile(r"serving artifacts/model at http://127.0.0.1:(\d+)  \(Ctrl-C stops it\)")
    port = next(int(found[1]) for line in lines if (found := address.match(line)))
    yield psutil.Process(started.pid), Client(port)
    started.send_signal(signal.SIGINT)
    assert list(lines) == []
    assert started.wait() == 0


@pytest.fixture(scope="module")
def client(server: tuple[psutil.Process, Client]) -> Client:
    return server[1]


@pytest.fixture(scope="module")
def images(reproduced: Workspace) -> np.ndarray:
    return np.array(Packed.open(Layout(reproduced.folder).test).images)


@pytest.fixture(scope="module")
def expected(reproduced: Workspace, images: np.ndarray) -> list[dict[str, float]]:
    ensemble = Ensemble.load(Layout(reproduced.folder).model / INSIDE)
    return ensemble.table(list(images))["probs"]


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, float]]) -> None:
    assert [row["error"] for row in found] == [None] * len(expected)
    probs = [list(row["probs"].values()) for row in found]
    wanted = [list(row.values()) for row in expected]
    np.testing.assert_allclose(probs, wanted, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 64, 256])
def test_batches_of_every_size_are_answered_as_predict_answers(
    client: Client, images: np.ndarray, expected: list[dict[str, float]], size: int
) -> None:
    files = [text_of(encode(image)) for image in images[:size]]
    assert_same(client.post(*files), expected[:size])
    assert_same(client.post(*(image.tolist() for image in images[:size])), expected[:size])


@pytest.mark.slow
def test_the_example_of_the_model_and_the_form_of_mlflows_client_are_answered(
    reproduced: Workspace, client: Client, images: np.ndarray, expected: list[dict[str, float]]
) -> None:
    example = (Layout(reproduced.folder).model / "serving_input_example.json").read_bytes()
    assert client("POST", "/invocations", example)[0] == 200
    lines = [[base64.encodebytes(encode(image)).decode()] for image in images[:2]]
    split = {"columns": ["image"], "index": [5, 5], "data": lines}
    body = json.dumps({"dataframe_split": split}).encode()
    status, text = client(
        "POST", "/invocations", body, {"Content-Type": "application/json; charset=utf-8"}
    )
    assert status == 200
    assert_same(json.loads(text)["predictions"], expected[:2])


@pytest.mark.slow
def test_a_bad_image_is_the_error_of_its_row(
    client: Client, images: np.ndarray, expected: list[dict[str, float]]
) -> None:
    good = text_of(encode(images[0]))
    large = text_of(encode(np.zeros((101, 100, 1), np.uint8)))
    first, *bad, last = client.post(good, "/etc/passwd", None, [[300]], large, images[1].tolist())
    assert_same([first, last], expected[:2])
    assert [row["error"].split(";")[0] for row in bad] == [
        "not an image: text that is not base64: '/etc/passwd'",
        "not an image: got NoneType",
        "not an image: pixels beyond whole numbers",
        "too large: 100 × 101 pixels, allowed 10,000",
    ]
    assert all(row["class"] is row["probs"] is row["prediction_set"] is None for row in bad)


@pytest.mark.slow
def test_it_tells_its_health_and_version(client: Client) -> None:
    assert client("GET", "/health")[0] == client("GET", "/ping")[0] == 200
    assert client("GET", "/version") == (200, "3.17.2")


@pytest.mark.slow
def test_ten_thousand_malformed_requests_are_refused_and_the_next_good_one_is_answered(
    server: tuple[psutil.Process, Client],
    images: np.ndarray,
    expected: list[dict[str, float]],
) -> None:
    process, client = server
    used = []
    for number, (headers, body) in enumerate(malformed(10_000, seed=0)):
        status, text = client("POST", "/invocations", body, headers)
        assert 400 <= status < 500, (status, text, body[:300])
        message = json.loads(text)["message"]
        assert message
        assert "\n" not in message
        assert "Traceback" not in message
        assert "site-packages" not in message
        if number % 1000 == 999:
            used.append(process.memory_info().rss)
    assert max(used[3:]) - used[2] < 24 * MIB  # a leak of 4 KiB a request would be 27 MiB
    assert_same(client.post(text_of(encode(images[0]))), expected[:1])


@pytest.mark.slow
def test_other_places_and_methods_are_refused(client: Client) -> None:
    for method, path in (("GET", "/invocations"), ("PUT", "/invocations"), ("POST", "/health")):
        assert client(method, path, b"{}")[0] == 405
    for path in ("/../params.yaml", "//etc/passwd", "/invocations/", "/INVOCATIONS", "/%00"):
        assert 300 <= client("POST", path, b"{}")[0] < 500


@pytest.mark.slow
def test_what_breaks_http_harms_no_other_client(
    client: Client, images: np.ndarray, expected: list[dict[str, float]]
) -> None:
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    half = [
        b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n",
        head + b"content-length: -1\r\n\r\n",
        head + b"content-length: 100\r\n\r\n{", head + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        head + b"x: " + b"a" * 100_000, head + b"content-length: 9\r\ncontent-length: 8\r\n\r\n{}",
    ]  # fmt: skip
    for content in half:
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
            connection.sendall(content)
    assert_same(client.post(text_of(encode(images[0]))), expected[:1])


@pytest.mark.slow
def test_a_large_request_is_refused_and_a_huge_one_before_it_is_read(client: Client) -> None:
    status, text = client("POST", "/invocations", records("A" * 3 * MIB))
    assert status == 413
    assert json.loads(text)["message"] == "a request of 3,145,766 bytes or more; allowed 2,097,152"
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    announced = head + b"content-length: 999999999999\r\n\r\n"
    endless = head + b"transfer-encoding: chunked\r\n\r\n"
    endless += 128 * (b"10000\r\n" + bytes(0x10000) + b"\r\n") + b"1\r\nx\r\n"  # 8 MiB and a byte
    for content in (announced, endless):
        with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
            connection.sendall(content)
            answer = connection.makefile("rb").read()  # to its end, as the server hangs up
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"allowed 2,097,152" in answer


@pytest.mark.slow
def test_clients_at_once_get_their_own_answers(
    client: Client, images: np.ndarray, expected: list[dict[str, float]]
) -> None:
    def ask(start: int) -> list[dict[str, Any]]:
        own = Client(client.port)
        return own.post(*(text_of(encode(image)) for image in images[start : start + 5]))

    starts = range(0, 100, 5)
    with ThreadPoolExecutor(8) as pool:
        for start, found in zip(starts, pool.map(ask, starts), strict=True):
            assert_same(found, expected[start : start + 5])


@pytest.mark.slow
def test_a_port_that_is_taken_is_named(reproduced: Workspace, client: Client) -> None:
    printed = reproduced.run("convoy", "serve", "--port", str(client.port), status=1)
    assert printed == f"--port: got {client.port}: Address already in use; name another one\n"


def test_a_client_that_does_not_go_on_is_sent_away() -> None:
    events = [{"type": "http.request", "body": b"{", "more_body": True}]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    sent = []

    async def receive() -> dict[str, Any]:
        return events.pop() if events else await asyncio.Future()

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def unreachable(*_: object) -> None:
        raise AssertionError("passed on")

    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    asyncio.run(Gate(unreachable, Limits(timeout_s=1))(scope, receive, send))
    start, body = sent
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["message"] == "the request did not arrive within 1 s"


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        ("", 0), ("1", 0), ("[]", 1), ('{"a": [1, {"b": []}]}', 4), ('"[[[["', 0), ("]]]][", 0),
        (r'["\"[[[", [2]]', 2), (r'["\\", [[1]]]', 3), (r'["\\\"[[[[", []]', 2), ('["[', 1),
    ],
)  # fmt: skip
def test_depth_is_counted_outside_of_text(text: str, deep: int) -> None:
    assert depth(text.encode()) == deep


def test_requests_are_as_deep_as_allowed_at_most() -> None:
    inside = MAX_DEPTH - 3  # within the request, the list and its row
    check(records(json.loads("[" * inside + "]" * inside)), Limits())
    inside += 1
    with pytest.raises(RefusedError, match="nested deeper than 12"):
        check(records(json.loads("[" * inside + "]" * inside)), Limits())


def test_the_number_of_images_is_limited() -> None:
    check(records("AAAA", "AAAA"), Limits(max_images=2))
    with pytest.raises(RefusedError, match=r"^3 images; allowed 2 in one request$"):
        check(records("AAAA", "AAAA", "AAAA"), Limits(max_images=2))
