"""The loop that most methods share: a task is learnt, measured, and perhaps slept over."""

from numpy.random import SeedSequence, default_rng


class Learner:
    """How a network learns the next task. This one trains and does nothing else.

    Methods derive from it and override what they do differently. A learner lives for one run.

    Attributes
    ----------
    protocol : Protocol
    rng : Generator of its own, so that the network's random numbers stay those of "sequential"
    """

    def __init__(self, protocol, rng):
        self.protocol = protocol
        self.rng = rng

    def learn(self, net, task):
        """Train ``net`` on ``task``, in place."""
        net.fit(task.X, task.y, **self.protocol.training)

    def model(self, net):
        """What is measured: an object with ``predict(X)``."""
        return net


def plain_sleep(night, net, stage, random_state):
    """The sleep of a protocol as it is; returns the slept network."""
    return night.sleep(net, stage, random_state)


def run_stages(make_learner, tasks, protocol, seed, sleeps, sleep=plain_sleep):
    """Yield (stage, phase, model) after each task and, with ``sleeps``, after each sleep.

    ``make_learner(protocol, rng)`` gives the Learner, ``sleep(night, net, stage, random_state)``
    the slept network. The network starts and trains with the same random numbers for every method
    and whether it sleeps or not.
    """
    net = protocol.new_network(tasks, seed)
    night = protocol.new_night()
    learner = make_learner(protocol, default_rng(SeedSequence(seed, spawn_key=(0,))))
    for stage, task in enumerate(tasks, 1):
        learner.learn(net, task)
        yield stage, "train", learner.model(net)
        if not sleeps:
            continue
        night.learn(task)
        if protocol.sleeps_after(stage, len(tasks)):
            net = sleep(night, net, stage, SeedSequence([seed, stage]))
            yield stage, "sleep", learner.model(net)
