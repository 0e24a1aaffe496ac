"""Methods: ways to learn a sequence of tasks.

A method is a function of (tasks, protocol, seed) that yields a Checkpoint (stage, phase, model) at
each point that is worth a measurement: stage = number of tasks trained so far, phase = "train" or
"sleep", and a model with ``predict(X)``. The runner measures; a method never sees test data (a
model with ``predict_task(X, task)`` is an oracle that is told the task of what it predicts).
Some have options of their own, with defaults; METHODS names what can be chosen by name.
"""

from functools import partial

from srcnb.methods import baselines, icarl, merging, regularization, rehearsal, src
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
}
# Those that need a protocol whose constants of the sleep fit its network.
SLEEPING = frozenset(name for name in METHODS if "src" in name)
