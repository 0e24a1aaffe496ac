"""src: sleep replay consolidation (Tadros et al. 2022), sequential training with sleep between."""

from srcnb.methods.stages import Learner, run_stages


def run(tasks, protocol, seed):
    """Yield the network after each task and after each sleep; see srcnb.methods."""
    return run_stages(Learner, tasks, protocol, seed, sleeps=True)
