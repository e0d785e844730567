"""The served ensemble against its members' own forward passes: throughput and latency under load.

    OMP_NUM_THREADS=1 python -m bench.serving CASE [PAIRS]        (digits, photos; default: 30)

A client keeps two requests of 64 encoded images in flight, and counts the images that the server
answers each second, from JSON to JSON. This takes turns with the members' forward passes over the
same images, decoded, in the client's process; each pair gives one ratio. The networks have random
weights, which compute as fast as others. Latencies are those of single images from four clients.
"""

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from PIL import Image

from bench.paired import shown, typical
from pipeline.config.load import parse_params
from pipeline.config.params import Params
from pipeline.core.artifacts import Card
from pipeline.core.files import read_yaml
from pipeline.core.paths import Layout
from pipeline.ensembling.combiner import Combiner
from pipeline.ensembling.decisions import Decision
from pipeline.ensembling.prediction_type import PredictionType
from pipeline.images.decode import fit
from pipeline.models.network import Network
from pipeline.serving.ensemble import Ensemble
from pipeline.serving.inputs import pixels_of
from pipeline.serving.layout import INSIDE
from pipeline.serving.package import package

BATCH_SIZE, NUM_CLASSES = 64, 10
IN_FLIGHT, NUM_CLIENTS = 2, 4
SECONDS = 2.0  # of one half of a pair
JSON = {"content-type": "application/json"}


class Case(NamedTuple):
    """What is served."""

    shape: tuple[int, int, int]
    file_px: int
    kind: str
    recipes: dict[str, Any] | None
    """None: the members of params.yaml."""


RESNET = {"name": "torchvision", "architecture": "resnet18"}
TRAINING = {"epochs": 1, "batch_size": 64, "lr": 0.001}  # of which nothing is done
RECIPES = {"resnet18": {"model": RESNET, "loss": {"name": "cross_entropy"}, "training": TRAINING}}
CASES = {
    "digits": Case((8, 8, 1), 8, "PNG", None),
    "photos": Case((64, 64, 3), 96, "JPEG", RECIPES),
}


def packaged(case: Case, folder: Path) -> Path:
    """Package an ensemble of networks that have learned nothing."""
    tree = read_yaml(Path("params.yaml"))
    if case.recipes:
        tree |= {"recipes": case.recipes, "members": {"a": {"recipe": "resnet18", "seed": 1}}}
        tree["members"]["b"] = {"recipe": "resnet18", "seed": 2}
    params, inputs = parse_params(tree, "bench"), Layout(folder)
    channels = case.shape[2]
    names = tuple(map(str, range(NUM_CLASSES)))
    card = Card(names, case.shape, "crop", 1, {}, (0.5,) * channels, (0.25,) * channels, "bench")
    card.save(inputs.card)
    for name, member in params.members.items():
        model = params.recipes[member.recipe].model
        network = Network.create(model, card, case.shape, NUM_CLASSES, member.seed)
        network.save(inputs.member(name) / "fold_0", model)
    package(inputs, _mean(params), params, folder / "scratch", inputs.model)
    return inputs.model


def _mean(params: Params) -> Combiner:
    weights = [{"weights": np.full(len(params.members), 1 / len(params.members))}]
    decision, kind = Decision("most_probable"), PredictionType("classes")
    members = tuple(params.members)
    return Combiner("mean", members, weights, "none", {"none": [{}]}, kind, decision)


def files(case: Case) -> list[bytes]:
    """Encode smooth pictures with some noise, which compress as photos do."""
    found = []
    for seed in range(BATCH_SIZE):
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (case.file_px // 8 + 1, case.file_px // 8 + 1, 3), np.uint8)
        size = (case.file_px, case.file_px)
        picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
        file = BytesIO()
        picture.convert("L" if case.shape[2] == 1 else "RGB").save(file, case.kind)
        found.append(file.getvalue())
    return found


def request(images: Sequence[bytes]) -> bytes:
    rows = [{"image": base64.b64encode(image).decode()} for image in images]
    return json.dumps({"dataframe_records": rows}).encode()


class Server(NamedTuple):
    """A server that runs."""

    port: int
    process: psutil.Process


def ask(connection: HTTPConnection, body: bytes) -> float:
    """Return the seconds until the answer has arrived."""
    begin = time.perf_counter()
    connection.request("POST", "/invocations", body, JSON)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return time.perf_counter() - begin


class Rate(NamedTuple):
    """How fast something works."""

    per_second: float
    """Images, by the clock."""
    per_processor_second: float


def rate(work: Callable[[], object], num_threads: int, process: psutil.Process) -> Rate:
    """Let threads work on batches until the time is over; count the processor time of a process."""

    def used() -> float:
        times = process.cpu_times()
        return times.user + times.system

    begin, used_before = time.perf_counter(), used()

    def repeat(_: int) -> int:
        count = 0
        while time.perf_counter() - begin < SECONDS:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(num_threads) as pool:
        num_images = BATCH_SIZE * sum(pool.map(repeat, range(num_threads)))
    took = time.perf_counter() - begin
    return Rate(num_images / took, num_images / (used() - used_before))


def connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=300)


def throughput(
    server: Server, forward: Callable[[], object], body: bytes, num_pairs: int
) -> np.ndarray:
    """Return the rates, served and passed forward, of each pair."""

    def served() -> None:
        ask(connection(server.port), body)

    served(), forward()
    own = psutil.Process()
    return np.array(
        [(rate(served, IN_FLIGHT, server.process), rate(forward, 1, own)) for _ in range(num_pairs)]
    )


def latencies(
    port: int, forward: Callable[[], object], body: bytes
) -> tuple[np.ndarray, np.ndarray]:
    """Return seconds of single images under load, and of a forward pass of one image."""
    took: list[float] = []

    def client(own: HTTPConnection) -> None:
        took.extend(ask(own, body) for _ in range(25))

    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        list(pool.map(client, [connection(port) for _ in range(NUM_CLIENTS)]))
    passes = []
    for _ in range(50):
        begin = time.perf_counter()
        forward()
        passes.append(time.perf_counter() - begin)
    return np.array(took), np.array(passes)


def main(name: str, num_pairs: int) -> None:
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        model = packaged(case, Path(folder))
        command = [sys.executable, "-m", "pipeline", "serve", "--model", str(model)]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert started.stdout
            port = int(started.stdout.readline().split("127.0.0.1:")[1].split()[0])
            measure(Server(port, psutil.Process(started.pid)), model, case, num_pairs)
        finally:
            started.terminate()
            started.wait()


def measure(server: Server, model: Path, case: Case, num_pairs: int) -> None:
    ensemble, images, shape = Ensemble.load(model / INSIDE), files(case), case.shape
    pixels = np.stack([fit(pixels_of(image, shape[:2]), shape, "crop") for image in images])

    def forward(number: int) -> None:
        for member in ensemble.members.values():
            member.logits(pixels[:number])

    pairs = throughput(server, lambda: forward(BATCH_SIZE), request(images), num_pairs)
    print(f"served / forward, batches of {BATCH_SIZE}, {num_pairs} pairs")
    for place, clock in enumerate(("by the clock", "by processor time")):
        served, passed = pairs[:, 0, place], pairs[:, 1, place]
        print(f"  images per second {clock}: {shown(typical(served / passed))}", flush=True)
    one = request(images[:1])
    rounds = [latencies(server.port, lambda: forward(1), one) for _ in range(num_pairs)]
    print(f"one image, {NUM_CLIENTS} clients at once / the median forward pass, {num_pairs} rounds")
    for quantile in (0.5, 0.99):
        ratios = [np.quantile(took, quantile) / np.median(passes) for took, passes in rounds]
        print(f"  p{100 * quantile:.0f}: {shown(typical(np.array(ratios)))}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30)
