"""A training step in each choice of `precision` and `memory_format`, against fp32 in NCHW.

    python -m bench.precision [THREADS [PAIRS [NAME…]]]

Forward, loss, backward and AdamW on random images, for the networks in `CASES` or the named ones.
It prints how many times faster than fp32 with contiguous images each is; a star marks the choice of
`auto` on this machine. One thread is timed by its own clock, several by the wall clock, which needs
an otherwise idle machine. With `ONEDNN_MAX_CPU_ISA=AVX512_CORE` or `AVX2` a processor emulates an
older one, without bf16, as far as convolutions go.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from bench.paired import ratio, seconds, shown
from pipeline.config.hardware import Hardware
from pipeline.core.artifacts import Card
from pipeline.core.component import schema
from pipeline.models import cpu
from pipeline.models.network import Network
from pipeline.models.precision import Arithmetic, choose

NUM_CLASSES, WINDOW_S = 10, 0.5
FP32 = Arithmetic("fp32", "contiguous", "")
OTHERS = (
    Arithmetic("fp32", "channels_last", ""),
    Arithmetic("bf16", "contiguous", ""),
    Arithmetic("bf16", "channels_last", ""),
)
CASES = {  # model, side in pixels, channels, batch
    "cnn 8 px": ({"name": "cnn", "widths": (32, 64)}, 8, 1, 64),
    "resnet 8 px": ({"name": "resnet", "widths": (16, 32)}, 8, 1, 64),
    "cnn 28 px": ({"name": "cnn", "widths": (32, 64)}, 28, 1, 64),
    "deep cnn 28 px": ({"name": "cnn", "widths": (32, 64, 128), "convs_per_block": 2}, 28, 1, 64),
    "resnet 28 px": ({"name": "resnet", "blocks_per_stage": 2}, 28, 1, 64),
    "resnet 64 px": ({"name": "resnet", "widths": (32, 64, 128)}, 64, 3, 32),
    "airbench 32 px": ({"name": "airbench"}, 32, 3, 64),
    "resnet18 64 px": ({"name": "torchvision", "architecture": "resnet18"}, 64, 3, 32),
    "resnet18 128 px": ({"name": "torchvision", "architecture": "resnet18"}, 128, 3, 16),
    "resnet50 96 px": ({"name": "torchvision", "architecture": "resnet50"}, 96, 3, 8),
    "resnext50 64 px": ({"name": "torchvision", "architecture": "resnext50_32x4d"}, 64, 3, 16),
    "xception 96 px": ({"name": "timm", "architecture": "legacy_xception"}, 96, 3, 8),
    "vit_tiny 64 px": ({"name": "timm", "architecture": "vit_tiny_patch16_224"}, 64, 3, 32),
    "convnext_atto 64 px": ({"name": "timm", "architecture": "convnext_atto"}, 64, 3, 32),
    "mobilenet_v2 64 px": ({"name": "torchvision", "architecture": "mobilenet_v2"}, 64, 3, 16),
    "efficientnet 64 px": ({"name": "timm", "architecture": "efficientnet_b0"}, 64, 3, 16),
}


def network(name: str, arithmetic: Arithmetic | None) -> Network:
    """Build a network with fresh weights; None chooses the arithmetic as `auto` does."""
    model, side_px, channels, _ = CASES[name]
    shape = (side_px, side_px, channels)
    card = Card(("a",), shape, "crop", 1, {}, (0.5,) * channels, (0.25,) * channels, "")
    made = Network.create(schema("model", model["name"])(**model), card, shape, NUM_CLASSES, 0)
    return made.arrange(arithmetic or choose(Hardware(), torch.device("cpu"), made.body)).train()


def training(name: str, made: Network) -> Callable[[int], None]:
    """Return a function that takes a given number of steps."""
    _, side_px, channels, batch = CASES[name]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch, side_px, side_px, channels), np.uint8)
    images, targets = torch.from_numpy(pixels), torch.arange(batch) % NUM_CLASSES
    optimizer = torch.optim.AdamW(made.parameters(), lr=1e-4, fused=True)

    def train(num_steps: int) -> None:
        for _ in range(num_steps):
            torch.nn.functional.cross_entropy(made(images), targets).backward()
            optimizer.step()
            optimizer.zero_grad()

    return train


def faster(name: str, other: Network, num_threads: int, num_pairs: int) -> str:
    """Format the speed as a multiple of that of fp32."""
    clock = time.process_time if num_threads == 1 else time.perf_counter
    slow, fast = training(name, network(name, FP32)), training(name, other)
    slow(1)
    num_steps = max(1, round(WINDOW_S / seconds(lambda: slow(1), clock)))
    return shown(ratio(lambda: slow(num_steps), lambda: fast(num_steps), num_pairs, clock))


def main(num_threads: int, num_pairs: int, names: list[str]) -> None:
    cpu.use(num_threads)
    for name in names:
        auto = network(name, None)
        print(f"{name}, {sum(p.numel() for p in auto.parameters()):,} parameters")
        for other in OTHERS:
            mark = "*" if other[:2] == auto.arithmetic[:2] else " "
            times = faster(name, network(name, other), num_threads, num_pairs)
            print(f"  {mark} {other.precision} {other.memory_format:13}  {times}", flush=True)


if __name__ == "__main__":
    threads, pairs = (int(text) for text in (*sys.argv[1:3], *("1", "7")[len(sys.argv) - 1 :]))
    main(threads, pairs, sys.argv[3:] or list(CASES))
