"""What the low-rank methods share: a protocol whose networks have rank 10 in every layer."""

from srcnb.low_rank import LowRankMLP
from srcnb.protocols import Protocol

RANK = 10  # torch's


class LowRankProtocol(Protocol):
    """A protocol that makes low-rank networks, and is otherwise as published."""

    def new_network(self, tasks, random_state):
        """An untrained LowRankMLP for the tasks' features and classes."""
        sizes = (tasks[0].X.shape[1], *self.hidden, tasks[0].n_classes)
        return LowRankMLP(sizes, RANK, random_state=random_state, **self.network)


def low_rank(protocol):
    """The same protocol with low-rank networks."""
    return LowRankProtocol(**vars(protocol))
