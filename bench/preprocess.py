"""The preprocess stage on many small images: its time against decoding alone, and its memory.

    python -m bench.preprocess [NUM ...]        (default: 50,000 and 500,000)

It writes NUM synthetic 28 × 28 grey PNGs into Parquet shards, as the `arrow` source reads them, 1 %
of them near duplicates of others, and runs the stage on them in a copy of the repository. It prints
how many times longer the stage takes, on all cores, than a loop over Pillow that only decodes the
same files on one core; and the peak memory, without mapped files, of the stage's own process and of
one of its workers.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from ruamel.yaml import YAML

SIDE, SHARD, NUM_CLASSES = 28, 10_000, 10
PARTS = ("pipeline", "stages", "dvc.yaml", "params.yaml")
POLL_S = 0.05


def images(num: int, seed: int) -> np.ndarray:
    """Make smooth noise; each hundredth image is the one before it, a little brighter."""
    rng = np.random.default_rng(seed)
    made = np.empty((num, SIDE, SIDE), np.uint8)
    coarse = rng.integers(0, 256, (num, 7, 7), np.uint8)
    for i in range(num):
        made[i] = cv2.resize(coarse[i], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    made[100::100] = np.clip(made[99:-1:100].astype(int) + 8, 0, 255)
    return made


def write(folder: Path, num: int) -> None:
    folder.mkdir(parents=True)
    for shard, start in enumerate(range(0, num, SHARD)):
        size = min(SHARD, num - start)
        encoded = [cv2.imencode(".png", image)[1].tobytes() for image in images(size, shard)]
        table = pa.table(
            {
                "image": [
                    {"bytes": raw, "path": f"{start + i}.png"} for i, raw in enumerate(encoded)
                ],
                "label": [f"class {i % NUM_CLASSES}" for i in range(size)],
            }
        )
        pq.write_table(table, folder / f"data-{shard:05d}.parquet", row_group_size=1000)


def workspace(folder: Path, num: int) -> None:
    for part in PARTS:
        source = Path(part)
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / part)
    write(folder / "data/raw/synthetic", num)
    yaml, path = YAML(typ="safe"), folder / "params.yaml"
    tree = yaml.load(path)
    tree["data"] = {
        "source": {"name": "arrow"},
        "path": "data/raw/synthetic",
        "image": {"channels": 1},
        "test_fraction": 0.2,
    }
    yaml.dump(tree, path)


def decode_alone(folder: Path) -> float:
    """Return the seconds that Pillow takes on one core."""
    begin = time.perf_counter()
    for path in sorted((folder / "data/raw/synthetic").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(1000, columns=["image"]):
            for item in batch.column(0).to_pylist():
                np.asarray(Image.open(io.BytesIO(item["bytes"])))
    return time.perf_counter() - begin


def main(sizes: list[int]) -> None:
    for num in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            workspace(folder, num)
            alone = decode_alone(folder)
            took, own, worker = run_stage(folder)
            print(
                f"{num:9,} images  {took:6.1f} s, {took / alone:.2f} × decoding alone  "
                f"{own:5.0f} MiB the stage, {worker:5.0f} MiB a worker",
                flush=True,
            )


def run_stage(folder: Path) -> tuple[float, float, float]:
    """Return seconds, and the peak memory of the stage's process and of one of its workers in MiB.

    The memory is anonymous memory: the system can reclaim pages of mapped files.
    """
    begin = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": "sqlite:///m.db"}
    command = [sys.executable, "-m", "stages.preprocess"]
    own = worker = 0.0
    with subprocess.Popen(command, cwd=folder, env=environment) as stage:
        process = psutil.Process(stage.pid)
        while stage.poll() is None:
            own = max(own, anonymous_mib(stage.pid))
            worker = max([worker, *(anonymous_mib(child) for child in workers(process))])
            time.sleep(POLL_S)
    return time.perf_counter() - begin, own, worker


def workers(stage: psutil.Process) -> list[int]:
    """Return all processes of the stage but the one that mirrors its metrics to MLflow."""
    found = []
    for child in stage.children():
        with suppress(psutil.NoSuchProcess):
            found += [] if any("follow" in word for word in child.cmdline()) else [child.pid]
    return found


def anonymous_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0  # it has ended
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [50_000, 500_000])
