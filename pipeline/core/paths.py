"""The paths of all files.

`Layout` names every file once; stages read through `Layout(Path())` and write through the layout
of their staging folder.
"""

from dataclasses import dataclass
from pathlib import Path

PARAMS_FILE = Path("params.yaml")
SCRATCH = Path(".convoy")
WORK = SCRATCH / "work"
"""Work that survives a kill: `stage/key/fingerprint/`, and a folder in it for each fit."""
DONE = "done"
"""The file in the folder of a fit that says it has succeeded."""
CODE = "code.json"
"""The file in an artifact that holds the hashes of the code behind it: see `Stage.code`."""


@dataclass(frozen=True)
class Layout:
    """The paths of all artifacts under one root."""

    root: Path = Path()

    @property
    def processed(self) -> Path:
        return self.root / "data/processed"

    @property
    def card(self) -> Path:
        return self.processed / "card.json"

    @property
    def trainval(self) -> Path:
        return self.processed / "trainval"

    @property
    def test(self) -> Path:
        return self.processed / "test"

    @property
    def audit(self) -> Path:
        return self.root / "reports/data"

    @property
    def augmentation(self) -> Path:
        return self.root / "artifacts/augmentation"

    def components(self, recipe: str) -> Path:
        """Return the path of the hashes of the models and losses that a recipe can use."""
        return self.root / "artifacts/components" / f"{recipe}.json"

    def search(self, recipe: str) -> Path:
        return self.root / "artifacts/search" / recipe

    def member(self, name: str) -> Path:
        return self.root / "artifacts/members" / name

    @property
    def soups(self) -> Path:
        return self.root / "artifacts/soups"

    def soup(self, name: str) -> Path:
        return self.soups / name

    def predictions(self, member: str, split: str) -> Path:
        return self.root / "artifacts/predictions" / member / f"{split}.npz"

    def cost(self, member: str) -> Path:
        return self.root / "artifacts/predictions" / member / "cost.json"

    @property
    def ensemble(self) -> Path:
        return self.root / "artifacts/ensemble"

    def system(self, name: str) -> Path:
        """Return the path of the combiner of a member or an ensemble."""
        return self.ensemble / "systems" / f"{name}.json"

    @property
    def nested(self) -> Path:
        """Return the folder of the combiners of a growing number of members."""
        return self.ensemble / "nested"

    def without(self, member: str) -> Path:
        """Return the path of the chosen ensemble's combiner, fitted without a member."""
        return self.ensemble / "without" / f"{member}.json"

    @property
    def held_out(self) -> Path:
        return self.ensemble / "held_out.npz"

    @property
    def sets(self) -> Path:
        """Return the path of the rule of prediction sets; classes alone have one."""
        return self.ensemble / "sets.json"

    @property
    def distilled(self) -> Path:
        return self.root / "artifacts/distilled"

    @property
    def teacher(self) -> Path:
        """Return the path of the chosen ensemble's out-of-fold predictions, for students."""
        return self.distilled / "teacher.npz"

    def student(self, name: str) -> Path:
        return self.distilled / "networks" / name

    def student_predictions(self, name: str) -> Path:
        """Return the folder of a student's predictions and cost."""
        return self.distilled / "predictions" / name

    def student_system(self, name: str) -> Path:
        """Return the path of a student's combiner, beside which its prediction sets lie."""
        return self.distilled / "systems" / name / "system.json"

    def student_sets(self, name: str) -> Path:
        return self.student_system(name).with_name("sets.json")

    @property
    def model(self) -> Path:
        return self.root / "artifacts/model"

    @property
    def onnx(self) -> Path:
        """Return the folder of the ONNX files in the packaged model, which exists on request."""
        return self.model / "onnx"

    @property
    def metrics(self) -> Path:
        return self.root / "reports/metrics"

    @property
    def comparison(self) -> Path:
        return self.root / "reports/comparison.json"

    @property
    def tables(self) -> Path:
        return self.root / "reports/tables"

    @property
    def compared(self) -> Path:
        """Comparisons of states; not an output of any stage."""
        return self.root / "reports/compare"

    @property
    def latency(self) -> Path:
        """Latency measured by a command; not an output of any stage, since timings vary."""
        return self.root / "reports/latency.csv"

    @property
    def inspection(self) -> Path:
        return self.root / "artifacts/inspection"

    @property
    def report(self) -> Path:
        return self.root / "reports/index.html"

    @property
    def plots(self) -> Path:
        """The plots of the report, each as a file."""
        return self.root / "reports/plots"

    @property
    def runs(self) -> Path:
        return self.root / "artifacts/runs"
