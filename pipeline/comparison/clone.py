"""A clean clone of the repository at one commit, in which the pipeline can run again."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.core import dvcfile
from pipeline.core.errors import UserError
from pipeline.core.files import is_litter, read_json, read_yaml
from pipeline.core.git import git
from pipeline.core.paths import PARAMS_FILE


class Clone:
    """The clone shares DVC's cache with the repository, and nothing else.

    Raises:
        UserError: the commit is gone, has no results, or lacks an input that cannot be fetched.
    """

    def __init__(self, commit: str, folder: Path) -> None:
        self.folder, self.commit = folder, commit
        if git("show", f"{commit}:{dvcfile.LOCK}") is None:
            raise self._without(f"no {dvcfile.LOCK}")
        _run("git", "clone", "--quiet", "--shared", "--no-checkout", ".", f"{folder}")
        _run("git", "-C", f"{folder}", "checkout", "--quiet", "--detach", commit)
        self.lock = dvcfile.locked_stages(folder / dvcfile.LOCK)
        if not self.lock:
            raise self._without(f"no stage in {dvcfile.LOCK}")
        self.cache = Path(_run("dvc", "cache", "dir").strip()).resolve()
        # Relative, since DVC refuses letters beyond ASCII here, which the path to a home may have.
        shared = os.path.relpath(self.cache, folder.resolve())
        _run("dvc", "cache", "dir", "--local", shared, folder=folder)
        self.inputs = self._inputs()
        self._refuse_outside()
        for path in self.inputs:
            self._bring(path)

    def _without(self, what: str) -> UserError:
        return UserError(
            f"{self.commit[:12]}: has {what}, so nothing says what it gave; commit {dvcfile.LOCK} "
            "after `dvc repro`"
        )

    @property
    def entries(self) -> list[dvcfile.Entry]:
        """All entries of the commit's pipeline; each comes after those it depends on."""
        return dvcfile.entries(read_yaml(self.folder / PARAMS_FILE), self.folder / "dvc.yaml")

    def check_inputs(self) -> None:
        """Compare the inputs with what the commit read, by DVC's hashes.

        Raises:
            UserError: one differs, so that the repetition would say nothing.
        """
        from dvc.repo import Repo  # takes 1 s to import

        with Repo(f"{self.folder}") as repo:
            read = [dep for stage in repo.index.stages for dep in stage.deps]
            changed = sorted({d.def_path for d in read if d.def_path in self.inputs and d.status()})
        if changed:
            raise UserError(
                f"{self.commit[:12]}: {changed[0]} is not what the commit read, so nothing was "
                "run; bring back the files of that time: those which neither git nor DVC held "
                "then are taken from the workspace, as long as git does not hold them now"
            )

    def repeat(self) -> None:
        """Run all stages, and let nothing that was computed before stand in for them.

        Raises:
            UserError: a stage fails; it has said why.
        """
        environment = {
            **_environment(),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder.resolve() / 'mlflow.db'}",
        }
        command = ["dvc", "repro", "--force", "--no-run-cache"]
        done = subprocess.run(command, cwd=self.folder, env=environment, check=False)
        if done.returncode:
            raise UserError(
                f"{self.commit[:12]}: `dvc repro` failed, see above; it ran in {self.folder}"
            )

    def original(self, out: str) -> dict[str, Path]:
        """Return the files of an output as the commit gave them, by their path within it.

        Raises:
            UserError: they are not in DVC's cache.
        """
        digests = {o["path"]: o["md5"] for e in self.lock.values() for o in e.get("outs", ())}
        digest = digests[out]
        if not digest.endswith(".dir"):
            return {Path(out).name: self._cached(digest, out)}
        listed = read_json(self._cached(digest, out))
        return {each["relpath"]: self._cached(each["md5"], out) for each in listed}

    def _cached(self, digest: str, out: str) -> Path:
        path = self.cache / "files" / "md5" / digest[:2] / digest[2:]
        if not path.is_file():
            raise UserError(
                f"{self.commit[:12]}: {out} differs, and DVC's cache lacks what the commit gave, "
                f"so nobody can say by how much; run `git switch --detach {self.commit[:12]}` "
                "and `dvc pull`"
            )
        return path

    def _inputs(self) -> list[str]:
        """Return what entries read and none of them makes, in whole or in part.

        DVC's lock file also names entries that were removed before the commit.
        """
        held = [self.lock.get(entry.dvc_name, {}) for entry in self.entries]
        outs = {out["path"] for entry in self.lock.values() for out in entry.get("outs", ())}
        deps = {dep["path"] for entry in held for dep in entry.get("deps", ())}
        return sorted(d for d in deps if not any(_overlap(d, out) for out in outs))

    def _refuse_outside(self) -> None:
        outside = [path for path in self.inputs if path.startswith("../")]
        if outside:
            raise UserError(
                f"{self.commit[:12]}: {outside[0]} lies beside the repository, where its clone "
                "cannot find it; a commit whose data.path lies within the repository, or begins "
                "with /, can be run again"
            )

    def _bring(self, path: str) -> None:
        """Complete an input: what DVC versions of it from there, the rest from the workspace."""
        target = self.folder / path
        if not Path(path).is_absolute():
            self._complete(path)
        if not target.exists():
            raise UserError(
                f"{self.commit[:12]}: {path} is neither in git nor in DVC nor in the workspace; "
                "put it there"
            )

    def _complete(self, path: str) -> None:
        versioned = self._versioned(path)
        for each in versioned:
            self._fetch(each)
        for file in _untracked(path):
            place = self.folder / file
            # What is there already was in git then, and is no more.
            if not place.exists() and not any(_overlap(file, each) for each in versioned):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(Path(file).resolve())

    def _versioned(self, path: str) -> list[str]:
        """Return what has a `.dvc` file at the commit: the input, or parts of it."""
        target = self.folder / path
        found = [target.with_name(f"{target.name}.dvc"), *sorted(target.rglob("*.dvc"))]
        return [f"{f.relative_to(self.folder).with_suffix('')}" for f in found if f.is_file()]

    def _fetch(self, path: str) -> None:
        from dvc.api import DVCFileSystem  # takes 1 s to import

        try:
            DVCFileSystem(rev=self.commit).get(path, f"{self.folder / path}", recursive=True)
        except Exception as error:  # raised by DVC and the file system, of many kinds
            said = "".join(str(error).splitlines()[:1])
            raise UserError(
                f"{self.commit[:12]}: {path} cannot be fetched ({said}); bring it into DVC's cache "
                "with `dvc pull`"
            ) from None


def _overlap(one: str, other: str) -> bool:
    """Return whether one of two paths is the other, or lies within it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _untracked(path: str) -> list[str]:
    """Return the files of the workspace at a path that git does not hold."""
    listed = git("ls-files", "-z", "--others", "--", path) or ""
    found = (Path(file) for file in listed.split("\0") if file)
    return [f"{file}" for file in found if not any(map(is_litter, file.parts))]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _run(*command: str, folder: Path | None = None) -> str:
    """Run a command and return what it prints.

    Raises:
        UserError: it fails; the message holds why, as far as it said so.
    """
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line]
        said = [line for line in lines if line.startswith(("ERROR: ", "fatal: "))] or lines
        raise UserError(f"`{' '.join(command)}` failed: {''.join(said[-1:])}; correct that")
    return done.stdout
