"""Protocols: the network, its training, and its nights. Two published ones, and our own."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from srcnb.asleep.config import SleepConfig
from srcnb.asleep.dreams import SampleDream, SquareDream
from srcnb.asleep.night import sleep
from srcnb.asleep.scaling import alpha_factors
from srcnb.checks import check_choice, check_int
from srcnb.mlp import MLP


class Night:
    """What a protocol keeps between sleeps: a dream, and how to make a SleepConfig.

    Subclasses set ``dream`` and define ``learn(task)`` and ``config(net, stage)``.
    """

    def sleep(self, net, stage, random_state, **options):
        """Let ``net`` sleep after ``stage`` tasks, with ``options`` of srcnb.sleep.

        Returns the slept network.
        """
        return sleep(net, self.dream, self.config(net, stage), random_state, **options)[0]


class TorchNight(Night):
    """torch: masked means of ten samples of the current task, constant α."""

    def __init__(self):
        self.dream = SampleDream(samples_per_iter=10, mask_fraction=0.25)

    def learn(self, task):
        """Take what the dream and α need of a task that was just trained."""
        self.dream.learn(task.X)

    def config(self, net, stage):
        """The SleepConfig of the sleep after ``stage`` tasks (from 1)."""
        return SleepConfig(
            n_steps=500 + 166 * (stage - 1),
            alpha=(14.983829, 253.17746, 7.7707720),
            beta=(14.548273, 44.560317, 38.046326),
            inc=0.001,
            dec=0.0001,
            gate="logistic",
            max_rate=239.515363,
        )


# max_rate, inc, dec, β1, β2, β3, alpha_scale, as matlab's scripts for the two sets have them.
MATLAB_CONSTANTS = {
    "mnist": (239.515363, 0.032064, 0.003344, 14.548273, 44.560317, 38.046326, 55.882454),
    "fashion-mnist": (181.047258, 0.041001, 0.003344, 40.446884, 27.596929, 33.109393, 31.592987),
}


class MatlabNight(Night):
    """matlab: a random square of the mean image of all tasks; α from all data seen so far."""

    def __init__(self, constants, dream=None, first_steps=15000, more_steps=5000):
        """``constants`` as in MATLAB_CONSTANTS; each sleep is ``more_steps`` longer than the last.

        ``dream`` replaces the square of a 28×28 image.
        """
        self.dream = dream or SquareDream(mask_size=10, shape=(28, 28))
        self.constants = constants
        self.first_steps, self.more_steps = first_steps, more_steps
        self.seen = []

    def learn(self, task):
        """Take what the dream and α need of a task that was just trained."""
        # The source does not cap these at the 5000 samples that it trains on, and its α re-reads
        # the old tasks' data.
        self.dream.learn(task.X_all)
        self.seen.append(task.X_all)

    def config(self, net, stage):
        """The SleepConfig of the sleep after ``stage`` tasks (from 1)."""
        max_rate, inc, dec, *beta, alpha_scale = self.constants
        return SleepConfig(
            n_steps=self.first_steps + self.more_steps * (stage - 1),
            alpha=alpha_scale * alpha_factors(net, np.concatenate(self.seen), form="matlab"),
            beta=beta,
            inc=inc,
            dec=dec,
            gate="negative",
            max_rate=max_rate,
        )


class FirstTaskNight(MatlabNight):
    """Sleep input and α from the first task only, in every sleep: CIFAR10's and cross-modal's."""

    def learn(self, task):
        """Take what the dream and α need, of the first task."""
        if not self.seen:
            super().learn(task)


@dataclass(frozen=True)
class Protocol:
    """One way to run an experiment.

    Attributes
    ----------
    name : str
    hidden : tuple of hidden layer sizes
    new_night : callable without arguments, returns a Night
    cap : training samples per task at most, or None
    network : keyword arguments of MLP
    training : keyword arguments of MLP.fit
    parallel_epochs : epochs of the upper bound, "parallel"; None: those of ``training``
    sleep_every : sleep after every k-th task; 0: only after the last
    """

    name: str
    hidden: tuple
    new_night: Callable
    cap: int | None = None
    network: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    parallel_epochs: int | None = None
    sleep_every: int = 1

    def __post_init__(self):
        hidden = tuple(check_int("hidden", n, low=1) for n in self.hidden)
        if len(hidden) != 2:
            raise ValueError(
                "hidden must be two layer sizes, as the constants of the sleep are for three"
                f" layers of weights; got {hidden}"
            )
        object.__setattr__(self, "hidden", hidden)
        check_int("sleep_every", self.sleep_every)

    def new_network(self, tasks, random_state):
        """An untrained MLP for the tasks' features and classes."""
        sizes = (tasks[0].X.shape[1], *self.hidden, tasks[0].n_classes)
        return MLP(sizes, random_state=random_state, **self.network)

    def sleeps_after(self, stage, n_stages):
        """Whether to sleep after this many of the tasks."""
        return stage % self.sleep_every == 0 if self.sleep_every else stage == n_stages


def torch_protocol():
    """The protocol of the torch implementation."""
    return Protocol(
        name="torch",
        hidden=(4000, 4000),
        new_night=TorchNight,
        cap=5000,
        network=dict(bias=False, dropout=0.25, inverted_dropout=True, output="softmax"),
        training=dict(
            epochs=2, batch_size=100, learning_rate=0.01, momentum=0.5, reset_momentum=True
        ),
    )


def matlab_protocol(dataset="mnist"):
    """The protocol of the matlab implementation, the paper's own, for MNIST or Fashion-MNIST."""
    return Protocol(
        name="matlab",
        hidden=(1200, 1200),
        new_night=lambda: MatlabNight(MATLAB_CONSTANTS[dataset]),
        cap=5000,
        network=dict(
            bias=False, dropout=0.25, inverted_dropout=False, output="relu", init="matlab"
        ),
        training=dict(
            epochs=2, batch_size=100, learning_rate=0.1, momentum=0.5, reset_momentum=False
        ),
        # The script says 2 as well, which gives 94.3 % here. The paper's 98.02 is what 10 give:
        # as many passes as the five tasks have together.
        parallel_epochs=10,
    )


@dataclass(frozen=True)
class OwnConstants:
    """The constants of our own protocol's sleep, relative to the network's own activations.

    Attributes
    ----------
    max_rate : Hz
    theta : thresholds θ_l of layers 1 … 3, in units of each layer's largest normalized impulse
    inc : what a synapse gains at a coincidence
    growth : dec/(inc + dec): a synapse grows if P(pre fired | post fired) is above it
    first_steps, more_steps : length of the first sleep, and what each next one has more
    """

    # Chosen by benchmarks/search_constants.py on digits' training set; the README says how.
    max_rate: float = 170.0
    theta: tuple = (0.16, 0.09, 10.0)
    inc: float = 0.00073
    growth: float = 0.215
    first_steps: int = 770
    more_steps: int = 257


class OwnNight(Night):
    """Ours: masked samples of the current task, α from its activations, nothing else kept."""

    def __init__(self, constants=OwnConstants()):  # noqa: B008 - frozen
        self.dream = SampleDream(samples_per_iter=1, mask_fraction=0.25)
        self.constants = constants

    def learn(self, task):
        """Take what the dream and α need of a task that was just trained."""
        self.dream.learn(task.X)
        self.X = task.X

    def config(self, net, stage):
        """The SleepConfig of the sleep after ``stage`` tasks (from 1)."""
        c = self.constants
        return SleepConfig(
            n_steps=c.first_steps + c.more_steps * (stage - 1),
            alpha=alpha_factors(net, self.X, form="diehl"),
            beta=c.theta,
            inc=c.inc,
            dec=c.inc * c.growth / (1 - c.growth),
            gate="logistic",
            max_rate=c.max_rate,
        )


def own_protocol(constants=OwnConstants()):  # noqa: B008 - frozen
    """Our own protocol, for every data set; its constants are chosen on training data."""
    return Protocol(
        name="own",
        hidden=(400, 400),
        new_night=lambda: OwnNight(constants),
        cap=5000,
        network=dict(bias=False, dropout=0.25, output="softmax"),
        training=dict(epochs=5, batch_size=20, learning_rate=0.05, momentum=0.5),
    )


PRESETS = ("torch", "matlab")


def get(preset, dataset):
    """The protocol by its preset's name (None: our own) for the data set of this name.

    Raises ValueError for a preset that was not published for such data.
    """
    if preset is None:
        return own_protocol()
    check_choice("--preset", preset, PRESETS)
    if dataset not in MATLAB_CONSTANTS:
        raise ValueError(
            f"--preset {preset} is a protocol for 28×28 images"
            f" ({', '.join(MATLAB_CONSTANTS)}), got --dataset {dataset};"
            " without --preset, srcnb's own protocol works on every data set"
        )
    return torch_protocol() if preset == "torch" else matlab_protocol(dataset)
