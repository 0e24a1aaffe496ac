"""src: sleep replay consolidation (Tadros et al. 2022), sequential training with sleep between."""

from numpy.random import SeedSequence


def run(tasks, protocol, seed):
    """Yield the network after each task and after each sleep; see srcnb.methods.

    The network starts and trains with the same random numbers as "sequential" with this seed.
    """
    net = protocol.new_network(tasks, seed)
    night = protocol.new_night()
    for stage, task in enumerate(tasks, 1):
        net.fit(task.X, task.y, **protocol.training)
        yield stage, "train", net
        night.learn(task)
        if protocol.sleeps_after(stage, len(tasks)):
            net = night.sleep(net, stage, SeedSequence([seed, stage]))
            yield stage, "sleep", net
