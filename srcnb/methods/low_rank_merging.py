"""low-rank-merging: merging of low-rank networks. The products B·A are averaged, not the factors.

Counterpart of torch's method of that name.
"""

from srcnb.methods import merging
from srcnb.methods.low_rank import low_rank


def run(tasks, protocol, seed):
    """Yield the mean of the low-rank networks of the tasks so far; see srcnb.methods."""
    return merging.run(tasks, low_rank(protocol), seed)
