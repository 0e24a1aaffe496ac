"""low-rank-concat: low-rank networks from different starts, their factors beside each other.

Along the rank, that is: A = [A_1; A_2; …], B = [B_1, B_2, …]. So each layer's linear map is the sum
of the maps of the tasks' networks, exactly. Counterpart of torch's method of that name.
"""

from numpy.random import default_rng

from srcnb.methods.low_rank import low_rank
from srcnb.methods.merging import run_merged


def run(tasks, protocol, seed):
    """Yield the concatenation of the networks of the tasks so far; see srcnb.methods."""
    protocol = low_rank(protocol)
    # Drawn when their turn comes from one generator: the first as "low-rank-merging" starts.
    rng = default_rng(seed)
    starts = (protocol.new_network(tasks, rng) for _ in tasks)
    return run_merged(starts, tasks, protocol, mean=False)
