"""Training with torch.compile against the same steps without it.

    python -m bench.compiling [PAIRS [NAME…]]

The networks and steps are those of bench.precision with the arithmetic of `auto`, on one thread and
timed by its own clock. It prints the speed of the compiled steps as a fraction of the others'
speed, and the seconds to the end of the first step.
"""

import sys
import time

import torch

from bench.paired import ratio, seconds, shown
from bench.precision import WINDOW_S, network, training
from pipeline.training.compiling import compile_body

NAMES = ["cnn 28 px", "resnet 28 px", "resnet18 64 px"]


def compare(name: str, num_pairs: int) -> str:
    made = network(name, None)
    plain, compiled = training(name, network(name, None)), training(name, made)
    compile_body(made)
    first_s = seconds(lambda: compiled(1))
    plain(1)
    num_steps = max(1, round(WINDOW_S / seconds(lambda: plain(1), time.process_time)))
    works = (lambda: plain(num_steps)), (lambda: compiled(num_steps))
    measured = ratio(*works, num_pairs, time.process_time)
    return f"{name:15} {shown(measured)} of the speed, first step {first_s:.0f} s"


def main(num_pairs: int, names: list[str]) -> None:
    torch.set_num_threads(1)
    for name in names:
        print(compare(name, num_pairs), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:] or NAMES)
