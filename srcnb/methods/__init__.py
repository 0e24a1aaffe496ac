"""Methods: ways to learn a sequence of tasks.

A method is a function of (tasks, protocol, seed) that yields a Checkpoint (stage, phase, model) at
each point that is worth a measurement: stage = number of tasks trained so far, phase = "train" or
"sleep", and a model with ``predict(X)``. The runner measures; a method never sees test data (a
model with ``predict_task(X, task)`` is an oracle that is told the task of what it predicts).
Some have options of their own, with defaults; METHODS names what can be chosen by name.
"""

from functools import partial

from srcnb.methods import (
    baselines,
    controls,
    excitability,
    icarl,
    lazy,
    lwf,
    merging,
    regularization,
    rehearsal,
    rivals,
    src,
)
from srcnb.methods.base import Method

METHODS: dict[str, Method] = {
    "sequential": baselines.sequential,
    "src": src.src,
    "parallel": baselines.parallel,
    "src-step-back": partial(src.src, step_back=0.5),
    "src-save-best": partial(src.src, save_best=0.1),
    "cheat": baselines.cheat,
    "cheat-slip": partial(baselines.cheat, slip=True),
    "merging": merging.merging,
    "low-rank-merging": merging.low_rank_merging,
    "low-rank-concat": merging.low_rank_concat,
    "low-rank-parallel": merging.low_rank_parallel,
    "rehearsal": rehearsal.rehearsal,
    "rehearsal+src": partial(rehearsal.rehearsal, sleeps=True),
    "icarl": icarl.icarl,
    "icarl+src": partial(icarl.icarl, sleeps=True),
    "ewc": regularization.ewc,
    "ewc+src": partial(regularization.ewc, sleeps=True),
    "si": regularization.si,
    "si+src": partial(regularization.si, sleeps=True),
    "homeostasis": controls.homeostasis,
    "homeostasis-weights": partial(controls.homeostasis, at="weights"),
    "src+homeostasis": partial(src.src, homeostasis=controls.KEEP),
    "src+homeostasis-weights": partial(
        src.src, homeostasis=controls.KEEP_IN_SLEPT_WEIGHTS, at="weights"
    ),
    "lazy": lazy.lazy,
    "less-excitable": excitability.less_excitable,
    "offset": controls.offset,
    "own-classes": controls.own_classes,
    "lwf": lwf.lwf,
    "nearest-mean": rivals.nearest_mean,
    "nearest-mean-hidden": partial(rivals.nearest_mean, on="hidden"),
    "nearest-mean-frozen": partial(rivals.nearest_mean, on="frozen"),
    "streaming-lda": rivals.streaming_lda,
    "streaming-lda-hidden": partial(rivals.streaming_lda, on="hidden"),
    "streaming-lda-frozen": partial(rivals.streaming_lda, on="frozen"),
    "ridge": rivals.ridge,
}
# What is compared unless one says: the best without sleep beside the sleep.
DEFAULT = ("sequential", "homeostasis", "lazy", "less-excitable", "src", "parallel")
# Those that need a protocol whose constants of the sleep fit its network.
SLEEPING = frozenset(name for name in METHODS if "src" in name)

_NETWORKS, _PER_WEIGHT = "the tasks' networks", "two numbers per weight"
# What a method keeps of earlier tasks, beside the network and the list of the classes seen. Sleep
# inputs may keep more: the paper's has the mean of all images, which its α re-reads.
KEEPS: dict[str, str] = {
    "sequential": "nothing",
    "src": "nothing",
    "parallel": "samples",  # all, and at once
    "src-step-back": "nothing",
    "src-save-best": "samples",  # those held out
    "cheat": "nothing",  # but it is told the task
    "cheat-slip": "nothing",
    "merging": _NETWORKS,  # their sum, and the start
    "low-rank-merging": _NETWORKS,
    "low-rank-concat": _NETWORKS,
    "low-rank-parallel": "samples",
    "rehearsal": "samples",
    "rehearsal+src": "samples",
    "icarl": "samples",
    "icarl+src": "samples",
    "ewc": _PER_WEIGHT,
    "ewc+src": _PER_WEIGHT,
    "si": _PER_WEIGHT,
    "si+src": _PER_WEIGHT,
    "homeostasis": "nothing",
    "homeostasis-weights": "nothing",
    "src+homeostasis": "nothing",
    "src+homeostasis-weights": "nothing",
    "lazy": "nothing",
    "less-excitable": "nothing",
    "offset": "nothing",
    "own-classes": "nothing",
    "lwf": "the old network",
    "nearest-mean": "statistics",
    "nearest-mean-hidden": "statistics",
    "nearest-mean-frozen": "statistics",
    "streaming-lda": "statistics",
    "streaming-lda-hidden": "statistics",
    "streaming-lda-frozen": "statistics",
    "ridge": "statistics",
}
