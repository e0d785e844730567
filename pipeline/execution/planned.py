"""What the running DVC command is still going to run.

    python -m pipeline.execution.planned STAGE ARGUMENTS_OF_DVC...

Only DVC knows which entries have changed, and which of them were asked for. It is asked in a
process of its own, as it takes a second to import.
"""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.core.changed import be_quiet, has_changed

if TYPE_CHECKING:
    from dvc.stage import Stage

COMMANDS = ("repro", "exp")


def planned(stage: str) -> list[str]:
    """Return the keys of a stage that DVC is going to run and whose inputs are ready, in order.

    Returns:
        An empty list where no DVC command has started this process.
    """
    asked = _arguments_of_dvc()
    if asked is None:
        return []
    command = [sys.executable, "-m", __name__, stage, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:]
        print(f"{stage}: DVC does not tell what else is due ({reason}); one runs after the other")
        return []
    keys: list[str] = json.loads(done.stdout)
    return keys


def _arguments_of_dvc() -> list[str] | None:
    """Return the arguments of the DVC command that this process descends from."""
    for ancestor in psutil.Process().parents():
        words = iter(ancestor.cmdline())
        if any(Path(word).name == "dvc" for word in words):
            arguments = list(words)
            if arguments and arguments[0] in COMMANDS:
                return arguments
    return None


def main(stage: str, arguments: list[str]) -> list[str]:
    """Ask DVC, in this process; see `planned`."""
    from dvc.cli import parse_args
    from dvc.repo import Repo
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
    from networkx import descendants

    be_quiet()
    asked, repo = vars(parse_args(arguments)), Repo()
    graph = get_active_graph(repo.index.graph)
    steps = collect_stages(repo, asked.get("targets") or ["dvc.yaml"], glob=asked.get("glob"))
    if not asked.get("single_item"):
        steps = plan_repro(graph, steps, downstream=asked.get("downstream", False))
    of_stage = [step for step in steps if step.addressing.startswith(f"{stage}@")]
    before = {step: descendants(graph, step) for step in of_stage}
    changed = {step for step in {*of_stage, *chain(*before.values())} if has_changed(step)}
    ready = [step for step in of_stage if not changed & before[step]]
    if not asked.get("force"):
        ready = [step for step in ready if step in changed]
        ready = [step for step in ready if asked.get("no_run_cache") or not _is_cached(step)]
    return [step.addressing.removeprefix(f"{stage}@") for step in ready]


def _is_cached(step: "Stage") -> bool:
    """Return whether DVC will take the outputs of a changed entry from its cache of runs.

    The entry is changed here: it gets the present hashes of its inputs, and none of its outputs.
    """
    from dvc.stage.cache import RunCacheNotFoundError
    from dvc_data.hashfile.hash_info import HashInfo

    step.save_deps()
    for out in step.outs:
        out.hash_info = HashInfo()
    try:
        step.repo.stage_cache.restore(step, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
