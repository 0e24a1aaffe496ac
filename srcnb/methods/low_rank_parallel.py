"""low-rank-parallel: all tasks' data at once, in a low-rank network. Its upper bound."""

from srcnb.methods import parallel
from srcnb.methods.low_rank import low_rank


def run(tasks, protocol, seed):
    """Yield the low-rank network trained on everything, as the last stage; see srcnb.methods."""
    return parallel.run(tasks, low_rank(protocol), seed)
