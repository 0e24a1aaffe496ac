"""sequential: one task after the other, no sleep. The lower bound."""


def run(tasks, protocol, seed):
    """Yield the network after each task; see srcnb.methods."""
    net = protocol.new_network(tasks, seed)
    for stage, task in enumerate(tasks, 1):
        yield stage, "train", net.fit(task.X, task.y, **protocol.training)
