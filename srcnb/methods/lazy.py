"""lazy: a control without sleep, whose hidden layers hardly change while it learns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from srcnb.methods.base import Checkpoint, train_and_sleep
from srcnb.methods.controls import with_homeostasis
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import check_real

# The best of 99 trials (TPE) on validation splits of the training sets of digits and MNIST, at
# 400-400; then the protocol's rate changed, and 17 of benchmarks/search_targets.py --lazy found
# nothing that was better by more than 0.1 points for several networks.
GAIN, OUTPUT, RATE, KEEP = 3.0, 0.1, 0.35, 0.2


def lazy(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    gain: float = GAIN,
    output: float = OUTPUT,
    rate: float = RATE,
    keep: float | None = KEEP,
) -> Iterator[Checkpoint]:
    """Sequential training of hidden weights so large that they hardly change; then homeostasis.

    The hidden weights start uniform in ± ``gain``/sqrt(n_{l-1}), the output weights in ± ``output``
    /sqrt(n_{L-1}), the learning rate is ``rate`` times the protocol's, and there is no dropout:
    nearly all of what is learnt is in the output weights, on features that stay as they were ("lazy
    training": Chizat, Oyallon, Bach, NeurIPS 2019, arXiv 1812.07956). Keeps nothing but the network
    and the list of the classes seen.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    gain, rate : float > 0
    output : float >= 0
    keep : float in (0, 1] or None
        As for :func:`srcnb.methods.controls.homeostasis`, at prediction; None: the outputs as they
        are.

    Raises
    ------
    ValueError, TypeError
        For numbers outside their ranges, or a network of low rank.
    """
    gain = check_real("gain", gain, 0, low_open=True)
    rate = check_real("rate", rate, 0, low_open=True)
    output = check_real("output", output, 0)
    learner = with_homeostasis("keep", keep)
    network = {**protocol.network, "dropout": 0.0, "init": "fan_in"}
    protocol = replace(protocol, network=network)
    new = protocol.new_network(tasks, seed)
    if not isinstance(new.weights[-1], np.ndarray):
        raise TypeError(f"protocol must have a dense network for lazy training, got {new!r}")
    for W, factor in zip(new.weights, [gain] * len(protocol.hidden) + [output], strict=True):
        W *= W.dtype.type(factor)
    # Named here, as it is changed: fit's own default unless the protocol has one.
    training = {"learning_rate": 0.1, **protocol.training}
    slow, later = (
        {k: rate * v if k == "learning_rate" else v for k, v in given.items()}
        for given in (training, protocol.later_training)
    )
    slower = replace(protocol, training=slow, later_training=later)
    return train_and_sleep(tasks, slower, seed, learner, sleeps=False, new=new)
