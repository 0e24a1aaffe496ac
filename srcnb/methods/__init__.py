"""Methods: ways to learn a sequence of tasks, one file each.

A method is a function ``run(tasks, protocol, seed)`` that yields (stage, phase, model) at each
point that is worth a measurement: stage = number of tasks trained so far, phase = "train" or
"sleep", and a model with ``predict(X)``. The runner measures; a method never sees test data (a
model with ``predict_task(X, task)`` is an oracle that is told the task of what it predicts).
Some have options of their own, with defaults; METHODS names what can be chosen by name.
"""

from functools import partial

from srcnb.methods import (
    cheat,
    ewc,
    icarl,
    low_rank_concat,
    low_rank_merging,
    low_rank_parallel,
    merging,
    parallel,
    rehearsal,
    sequential,
    si,
    src,
)

METHODS = {
    "sequential": sequential.run,
    "src": src.run,
    "parallel": parallel.run,
    "src-step-back": partial(src.run, step_back=0.5),
    "src-save-best": partial(src.run, save_best=0.1),
    "cheat": cheat.run,
    "cheat-slip": partial(cheat.run, slip=True),
    "merging": merging.run,
    "low-rank-merging": low_rank_merging.run,
    "low-rank-concat": low_rank_concat.run,
    "low-rank-parallel": low_rank_parallel.run,
    "rehearsal": rehearsal.run,
    "rehearsal+src": partial(rehearsal.run, sleeps=True),
    "icarl": icarl.run,
    "icarl+src": partial(icarl.run, sleeps=True),
    "ewc": ewc.run,
    "ewc+src": partial(ewc.run, sleeps=True),
    "si": si.run,
    "si+src": partial(si.run, sleeps=True),
}
