"""merging: a network of its own for each task, all from the same start; their weights are averaged.

Counterpart of torch's "merging".
"""

from numpy.random import SeedSequence


def run(tasks, protocol, seed):
    """Yield the mean of the networks of the tasks so far; see srcnb.methods."""
    return run_merged(_same_start(tasks, protocol, seed), tasks, protocol, mean=True)


def _same_start(tasks, protocol, seed):
    """Yield for each task a network with the same weights, but random numbers of its own."""
    start = protocol.new_network(tasks, seed)
    yield start.copy()  # task 1 is learnt as in "sequential"
    for k in range(1, len(tasks)):
        net = protocol.new_network(tasks, SeedSequence(seed, spawn_key=(k,)))
        same = start.copy()
        net.weights, net.biases = same.weights, same.biases
        yield net


def run_merged(starts, tasks, protocol, mean):
    """Yield (stage, "train", model) after each task.

    Parameters
    ----------
    starts : iterable of untrained networks, one for each task; they are trained in place
    tasks, protocol : see srcnb.methods
    mean : bool
        Whether the model has the mean of the trained networks' weights and biases, or their sum.
    """
    weights = biases = None
    for stage, (net, task) in enumerate(zip(starts, tasks, strict=True), 1):
        net.fit(task.X, task.y, **protocol.training)
        weights = _sum(weights, net.weights)
        biases = _sum(biases, net.biases)
        share = stage if mean else 1
        model = net.with_weights([w / share for w in weights])
        if biases is not None:
            model.biases = [b / share for b in biases]
        yield stage, "train", model


def _sum(total, arrays):
    """Layer by layer, without changing either; None is nothing."""
    if total is None or arrays is None:
        return arrays
    return [t + a for t, a in zip(total, arrays, strict=True)]
