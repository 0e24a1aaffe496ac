"""parallel: all tasks' data at once, without the cap. The upper bound."""

import numpy as np


def run(tasks, protocol, seed):
    """Yield the network trained on everything, as the last stage; see srcnb.methods."""
    X = np.concatenate([task.X_all for task in tasks])
    y = np.concatenate([task.y_all for task in tasks])
    net = protocol.new_network(tasks, seed)
    training = dict(protocol.training)
    if protocol.parallel_epochs is not None:
        training["epochs"] = protocol.parallel_epochs
    yield len(tasks), "train", net.fit(X, y, **training)
