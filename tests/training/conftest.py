"""One thread: a fork of a process that has computed with several waits for the others in vain."""

import torch

torch.set_num_threads(1)
