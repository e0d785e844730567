"""100 systems measured and compared with intervals: time, memory and the cost of resampling.

    OMP_NUM_THREADS=1 taskset -c 0 python -m bench.evaluation

The baseline resamples the rows of one system and passes them to scikit-learn, one draw at a time;
it alternates 10 draws with our 1,000. Then both use the same 300 draws of the same system, and
their intervals are listed side by side: ours are linearised for areas and calibration errors.
"""

import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import sklearn.metrics as reference
from scipy.special import log_softmax

from bench.paired import ratio, shown
from pipeline.evaluation.comparison import compare
from pipeline.evaluation.evaluator import Evaluator
from pipeline.evaluation.intervals import Bootstrap, draws
from pipeline.evaluation.metrics import metrics
from pipeline.evaluation.outputs import SystemOutput

NUM_SYSTEMS, NUM_SAMPLES, NUM_CLASSES, NUM_DRAWS, NUM_BINS = 100, 10_000, 10, 1000, 15
LABELS = list(range(NUM_CLASSES))
METRICS = metrics("classes", NUM_CLASSES, num_bins=NUM_BINS, top_k=3, costs=None, positive=None)
AVERAGES = ("macro", "micro", "weighted")


def system(targets: np.ndarray, seed: int) -> SystemOutput:
    """Make a system that is right in about nine of ten cases, and overconfident."""
    noise = np.random.default_rng(seed).normal(size=(len(targets), NUM_CLASSES))
    log_probs = log_softmax(2 * (3 * np.eye(NUM_CLASSES)[targets] + noise), axis=1)
    return SystemOutput(log_probs, log_probs.argmax(axis=1))


def calibration_error(share: np.ndarray, is_so: np.ndarray) -> float:
    bin_of = np.minimum((share * NUM_BINS).astype(int), NUM_BINS - 1)
    return float(np.abs(np.bincount(bin_of, share - is_so, NUM_BINS)).sum() / len(share))


def by_scikit_learn(share: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Compute all metrics of one set of samples."""
    decided, one_hot = share.argmax(axis=1), targets[:, None] == LABELS
    found = {
        "accuracy": reference.accuracy_score(targets, decided),
        "top_3_accuracy": reference.top_k_accuracy_score(targets, share, k=3, labels=LABELS),
        "balanced_accuracy": reference.balanced_accuracy_score(targets, decided),
    }
    for way in AVERAGES:
        scores = reference.precision_recall_fscore_support(targets, decided, average=way)
        names = (f"{way}_{name}" for name in ("precision", "recall", "f1"))
        found |= dict(zip(names, scores[:3], strict=True))
    classwise = [calibration_error(share[:, i], one_hot[:, i]) for i in LABELS]
    return found | {
        "cohen_kappa": reference.cohen_kappa_score(targets, decided),
        "matthews": reference.matthews_corrcoef(targets, decided),
        "roc_auc": reference.roc_auc_score(targets, share, multi_class="ovr"),
        "average_precision": reference.average_precision_score(one_hot, share),
        "log_loss": reference.log_loss(targets, share, labels=LABELS),
        "brier": reference.brier_score_loss(targets, share, labels=LABELS),
        "calibration_error": calibration_error(share.max(axis=1), decided == targets),
        "classwise_calibration_error": float(np.mean(classwise)),
    }


def resampled(
    outputs: SystemOutput, targets: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    share = np.exp(outputs.predictions)
    share /= share.sum(axis=1, keepdims=True)  # scikit-learn wants sums of 1 to the last digit
    places = (np.repeat(np.arange(len(targets)), row) for row in counts)
    drawn = [by_scikit_learn(share[p], targets[p]) for p in places]
    return {name: np.array([one[name] for one in drawn]) for name in METRICS}


def clocked(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def compared(targets: np.ndarray, systems: dict[str, SystemOutput]) -> None:
    """Measure every system by every metric, and every pair of them with its interval and p."""
    lone = np.arange(NUM_SAMPLES)
    evaluator = Evaluator(
        kind="classes",
        names=tuple(map(str, LABELS)),
        ids=lone.astype(str),
        targets=targets,
        groups=lone,
        weights=np.ones(NUM_SAMPLES),
        metrics=METRICS,
        headline="accuracy",
        bootstrap=Bootstrap(lone, np.ones(len(lone)), NUM_DRAWS, 0.95, seed=0),
        confidence=0.95,
        margin=None,
    )
    compare(evaluator, systems, chosen="0", best_member="1")


def side_by_side(targets: np.ndarray, num_draws: int = 300) -> None:
    outputs = system(targets, seed=0)
    ours = Bootstrap(np.arange(NUM_SAMPLES), np.ones(NUM_SAMPLES), num_draws, 0.95, seed=0)
    drawn = resampled(outputs, targets, draws(NUM_SAMPLES, num_draws, seed=0))
    print("\n| metric | value | our interval | resampled |\n|---|---|---|---|")
    for name, (value, low, high, _) in ours.estimates(METRICS, outputs, targets).items():
        ends = np.quantile(drawn[name], [0.025, 0.975])
        print(
            f"| {name} | {value:.5f} | {low:.5f} to {high:.5f} | {ends[0]:.5f} to {ends[1]:.5f} |"
        )


def main() -> None:
    targets = np.random.default_rng(0).integers(0, NUM_CLASSES, NUM_SAMPLES)
    systems = {str(seed): system(targets, seed) for seed in range(NUM_SYSTEMS)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = clocked(partial(compared, targets, systems))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{NUM_SYSTEMS} systems, {len(METRICS)} metrics, all pairs, {NUM_DRAWS:,} draws:")
    print(f"{seconds:.1f} s of a core; peak memory {peak:.0f} MiB, {before:.0f} MiB of it before")
    one, few = system(targets, seed=0), draws(NUM_SAMPLES, 10, seed=0)
    bootstrap = Bootstrap(np.arange(NUM_SAMPLES), np.ones(NUM_SAMPLES), NUM_DRAWS, 0.95, seed=0)
    longer = ratio(
        partial(resampled, one, targets, few),
        partial(bootstrap.estimates, METRICS, one, targets),
        num_pairs=7,
    )
    print(f"10 draws by scikit-learn / 1,000 of ours, one system: {shown(longer)}", flush=True)
    side_by_side(targets)


if __name__ == "__main__":
    main()
