"""sequential: one task after the other, no sleep. The lower bound."""

from srcnb.methods.stages import Learner, run_stages


def run(tasks, protocol, seed):
    """Yield the network after each task; see srcnb.methods."""
    return run_stages(Learner, tasks, protocol, seed, sleeps=False)
