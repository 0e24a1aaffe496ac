"""Methods: ways to learn a sequence of tasks, one file each.

A method is a function ``run(tasks, protocol, seed)`` that yields (stage, phase, model) at each
point that is worth a measurement: stage = number of tasks trained so far, phase = "train" or
"sleep", and a model with ``predict(X)``. The runner measures; a method never sees test data.
"""

from srcnb.methods import parallel, sequential, src

METHODS = {"sequential": sequential.run, "src": src.run, "parallel": parallel.run}
