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
RECIPES = {"resnet18": {"model": RESNET, "loss": {"name": "cross_entropy"}}}
CASES = {
    "digits": Case((8, 8, 1), 8, "PNG", None),
    "photos": Case((224, 224, 3), 256, "JPEG", RECIPES),
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


def ask(connection: HTTPConnection, body: bytes) -> float:
    """Return the seconds until the answer has arrived."""
    begin = time.perf_counter()
    connection.request("POST", "/invocations", body, JSON)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content
    return time.perf_counter() - begin


def rate(work: Callable[[], object], num_images: int, num_threads: int) -> float:
    """Return images per second of threads that work until the time is over."""
    begin = time.perf_counter()

    def repeat(_: int) -> int:
        count = 0
        while time.perf_counter() - begin < SECONDS:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(num_threads) as pool:
        total = sum(pool.map(repeat, range(num_threads)))
    return num_images * total / (time.perf_counter() - begin)


def connections(port: int, number: int) -> list[HTTPConnection]:
    return [HTTPConnection("127.0.0.1", port, timeout=300) for _ in range(number)]


def throughput(port: int, forward: Callable[[], object], body: bytes, num_pairs: int) -> np.ndarray:
    """Return images per second, served and passed forward, of each pair."""
    idle = connections(port, IN_FLIGHT)

    def served() -> None:
        connection = idle.pop()
        ask(connection, body)
        idle.append(connection)

    served(), forward()
    return np.array(
        [
            (rate(served, BATCH_SIZE, IN_FLIGHT), rate(forward, BATCH_SIZE, 1))
            for _ in range(num_pairs)
        ]
    )


def latencies(
    port: int, forward: Callable[[], object], body: bytes
) -> tuple[np.ndarray, np.ndarray]:
    """Return seconds of single images under load, and of a forward pass of one image."""
    took: list[float] = []

    def client(connection: HTTPConnection) -> None:
        took.extend(ask(connection, body) for _ in range(25))

    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        list(pool.map(client, connections(port, NUM_CLIENTS)))
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
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            port = int(server.stdout.readline().split("127.0.0.1:")[1].split()[0])
            ensemble = Ensemble.load(model / INSIDE)
            measure(port, ensemble, case.shape, files(case), num_pairs)
        finally:
            server.terminate()
            server.wait()


def measure(
    port: int, ensemble: Ensemble, shape: tuple[int, int, int], images: list[bytes], num_pairs: int
) -> None:
    pixels = np.stack([fit(pixels_of(i, shape[:2]), shape, "crop") for i in images])

    def forward(number: int) -> None:
        for member in ensemble.members.values():
            member.logits(pixels[:number])

    pairs = throughput(port, lambda: forward(BATCH_SIZE), request(images), num_pairs)
    served, passed = np.median(pairs, axis=0)
    print(f"images/s, medians: served {served:.0f}, forward {passed:.0f}")
    share = shown(typical(pairs[:, 0] / pairs[:, 1]))
    print(f"served / forward, {BATCH_SIZE} images, {num_pairs} pairs: {share}")
    rounds = [latencies(port, lambda: forward(1), request(images[:1])) for _ in range(num_pairs)]
    for quantile in (0.5, 0.99):
        ratios = [np.quantile(took, quantile) / np.median(passes) for took, passes in rounds]
        longer = shown(typical(np.array(ratios)))
        print(f"p{100 * quantile:.0f}, {NUM_CLIENTS} clients, one image / a forward pass: {longer}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 30)
