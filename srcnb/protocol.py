"""Protocol: the network, its training and its sleep schedule. SleepSchedule: when it sleeps, how
long, on what and with which constants. Both are frozen; SleepState is what one run gathers."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from srcnb.low_rank import LowRankMLP
from srcnb.mlp import MLP
from srcnb.spiking.calibrate import SleepTargets, calibrate
from srcnb.spiking.config import GATES, SleepConfig
from srcnb.spiking.conversion import FORMS, alpha_factors
from srcnb.spiking.inputs import SleepInput
from srcnb.spiking.report import SleepResult
from srcnb.spiking.sleeping import sleep
from srcnb.tasks import Task
from srcnb.validation import (
    MAX_LENGTH,
    Array,
    RandomState,
    check_choice,
    check_instance,
    check_int,
    check_list,
    check_methods,
    check_real,
)

logger = logging.getLogger(__name__)

DATA = ("seen", "first", "current")
T = TypeVar("T")


class ReadOnly(Mapping[str, T]):
    """A copy of a mapping that cannot be changed, but compared, hashed and pickled."""

    def __init__(self, values: Mapping[str, T]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> T:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"ReadOnly({self._values!r})"


@dataclass(frozen=True)
class Call:
    """What ``functools.partial`` is, but frozen: two of the same function and arguments are equal.

    Attributes
    ----------
    func : callable
    args, keywords : its arguments
    """

    func: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: ReadOnly[Any]

    def __call__(self) -> Any:
        """What the function returns."""
        return self.func(*self.args, **self.keywords)


@dataclass(frozen=True)
class SleepConstants:
    """What the sleeps of a schedule have in common, whatever the network and the stage.

    Attributes
    ----------
    source : where the numbers come from
    max_rate : Hz
    inc, dec, gate : as in SleepConfig
    beta : firing threshold of each layer
    alpha : the gain of each layer; None: alpha_scale times ``alpha_factors`` of the form alpha_form
    alpha_form : "paper" | "diehl" | "percentile"
    alpha_scale : float >= 0
    """

    source: str
    max_rate: float
    inc: float
    dec: float
    gate: str
    beta: tuple[float, ...]
    alpha: tuple[float, ...] | None = None
    alpha_form: str = "diehl"
    alpha_scale: float = 1.0

    def __post_init__(self) -> None:
        check_instance("source", self.source, str, "a string")
        check_choice("gate", self.gate, GATES)
        check_choice("alpha_form", self.alpha_form, FORMS)
        check_real("max_rate", self.max_rate, 0, low_open=True)
        for name in ("inc", "dec", "alpha_scale"):
            check_real(name, getattr(self, name), 0)
        for name in ("beta", "alpha"):
            if name == "beta" or self.alpha is not None:
                values = check_list(name, getattr(self, name))
                checked = tuple(check_real(f"{name}[{i}]", v, 0) for i, v in enumerate(values))
                object.__setattr__(self, name, checked)
        if not self.beta or (self.alpha is not None and len(self.alpha) != len(self.beta)):
            raise ValueError(
                "beta, and alpha if given, must have one number per layer each,"
                f" got {self.beta} and {self.alpha}"
            )

    def config(self, net: MLP, X: Array, n_steps: int) -> SleepConfig:
        """The SleepConfig of a sleep of ``net``, with gains from the samples ``X``, (n, n_0)."""
        alpha: Any = self.alpha
        if alpha is None:
            alpha = self.alpha_scale * alpha_factors(net, X, self.alpha_form)
            logger.info(
                "α %s: %g times the %r factors of %d samples",
                *(np.round(alpha, 4).tolist(), self.alpha_scale, self.alpha_form, len(X)),
            )
        return SleepConfig(
            n_steps=n_steps,
            alpha=alpha,
            beta=self.beta,
            inc=self.inc,
            dec=self.dec,
            gate=self.gate,
            max_rate=self.max_rate,
        )


@dataclass(frozen=True)
class SleepSchedule:
    """When a network sleeps, for how long, on what and with which constants.

    Attributes
    ----------
    constants : SleepConstants, or SleepTargets
        With SleepTargets each sleep is calibrated: its constants follow from the network. Their
        budget is for ``SleepTargets.n_steps``; a sleep of other length has as much more or less.
    sleep_input : callable without arguments that makes a sleep input; a partial becomes a Call
    first_steps, more_steps : length of the first sleep in steps, and what each later one has more
    data : what the sleep input and α are made from
        "seen": all samples of all tasks so far, not capped (the paper; its α re-reads them);
        "first": the same of the first task only, in every sleep (the paper's CIFAR10 and
        cross-modal scripts); "current": the samples that the current task is trained on.
    every : sleep after every k-th task; 0: only after the last
    per_task : int >= 1
        Sleeps for each such task: its training is split into so many parts of as many epochs each,
        and there is a sleep of n_steps after each part.
    """

    constants: SleepConstants | SleepTargets
    sleep_input: Callable[[], SleepInput]
    first_steps: int
    more_steps: int = 0
    data: str = "current"
    every: int = 1
    per_task: int = 1

    def __post_init__(self) -> None:
        for name in ("first_steps", "more_steps", "every"):
            check_int(name, getattr(self, name), high=MAX_LENGTH)
        check_int("per_task", self.per_task, low=1, high=MAX_LENGTH)
        check_choice("data", self.data, DATA)
        if not isinstance(self.constants, SleepTargets):
            how = "SleepConstants or SleepTargets"
            check_instance("constants", self.constants, SleepConstants, how)
        if not callable(self.sleep_input):
            raise TypeError(
                "sleep_input must be what makes one, such as MeanInput or functools.partial("
                f"SampleInput, n_samples=1), got {self.sleep_input!r}"
            )
        if isinstance(self.sleep_input, partial):
            made = self.sleep_input
            frozen = Call(made.func, made.args, ReadOnly(made.keywords))
            object.__setattr__(self, "sleep_input", frozen)

    def n_steps(self, stage: int) -> int:
        """Length of the sleep after ``stage`` tasks (from 1)."""
        return self.first_steps + self.more_steps * (stage - 1)

    def is_due(self, stage: int, n_stages: int) -> bool:
        """Whether to sleep after ``stage`` of ``n_stages`` tasks."""
        return stage % self.every == 0 if self.every else stage == n_stages

    def parts(self, stage: int, n_stages: int) -> int:
        """Parts into which the training of a task is split, each with a sleep after it."""
        return self.per_task if self.is_due(stage, n_stages) else 1


class SleepState:
    """What one run has gathered for its sleeps: the sleep input, and the samples for α.

    Attributes
    ----------
    schedule : SleepSchedule
    sleep_input : the run's own sleep input
    """

    def __init__(self, schedule: SleepSchedule) -> None:
        self.schedule = schedule
        self.sleep_input = schedule.sleep_input()
        check_methods("sleep_input", self.sleep_input, ("update", "draw"))
        self._seen: list[Array] = []

    def update(self, task: Task) -> None:
        """Take what the sleep input and α need of a task that is to be slept over."""
        data = self.schedule.data
        if data == "first" and self._seen:
            return
        X = task.X if data == "current" else task.X_all
        self.sleep_input.update(X)
        self._seen = [X] if data == "current" else [*self._seen, X]

    def config(self, net: MLP, stage: int) -> SleepConfig:
        """The SleepConfig of the sleep of ``net`` after ``stage`` tasks (from 1)."""
        constants, n_steps = self.schedule.constants, self.schedule.n_steps(stage)
        if isinstance(constants, SleepTargets):
            # The same for each call with the same network, as sleeps are to be.
            return calibrate(net, self.sleep_input, constants.lasting(n_steps), stage)
        X = self._seen[0] if len(self._seen) == 1 else np.concatenate(self._seen)
        return constants.config(net, X, n_steps)

    def sleep(self, net: MLP, stage: int, random_state: RandomState, **options: Any) -> SleepResult:
        """Let ``net`` sleep after ``stage`` tasks, with ``options`` of :func:`srcnb.sleep`.

        Without a bar of its own, as a run may have one already, unless ``progress`` says so.
        """
        options = {"progress": False, **options}
        return sleep(net, self.sleep_input, self.config(net, stage), random_state, **options)


def in_parts(training: Mapping[str, Any], parts: int) -> dict[str, Any]:
    """Keyword arguments of MLP.fit for one of so many parts of a task's training."""
    return {**training, **({"epochs": training["epochs"] // parts} if parts > 1 else {})}


@dataclass(frozen=True)
class Protocol:
    """One way to learn a sequence of tasks.

    The mappings are copied, and the copies are read-only.

    Attributes
    ----------
    name : str
    hidden : sizes of the hidden layers, any number of them
    schedule : SleepSchedule
    cap : training samples per task at most, or None
    network : keyword arguments of MLP
    training : keyword arguments of MLP.fit
    later_training : those of them that are others from the second task on
    parallel_epochs : epochs of the upper bound, "parallel"; None: those of ``training``
    rank : of the factors, for a network of low rank; None: an ordinary one
    homeostasis : of "src", unless it is told otherwise (see srcnb.methods.src), "ewc+src", "si+src"
    """

    name: str
    hidden: tuple[int, ...]
    schedule: SleepSchedule
    cap: int | None = None
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    later_training: Mapping[str, Any] = field(default_factory=dict)
    parallel_epochs: int | None = None
    rank: int | None = None
    homeostasis: float | None = None

    def __post_init__(self) -> None:
        hidden = tuple(check_int("hidden", n, low=1) for n in check_list("hidden", self.hidden))
        object.__setattr__(self, "hidden", hidden)
        check_instance("name", self.name, str, "a string")
        check_instance("schedule", self.schedule, SleepSchedule, "a SleepSchedule")
        for name, low in (("cap", 1), ("parallel_epochs", 0), ("rank", 1)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_int(name, getattr(self, name), low))
        if self.homeostasis is not None:
            keep = check_real("homeostasis", self.homeostasis, 0, 1, low_open=True)
            object.__setattr__(self, "homeostasis", keep)
        for name in ("network", "training", "later_training"):
            options = getattr(self, name)
            check_instance(name, options, Mapping, "a mapping of keyword arguments")
            object.__setattr__(self, name, ReadOnly(options))
        parts = self.schedule.per_task
        if parts > 1 and "epochs" not in self.training:
            raise ValueError(f"training must have epochs to be split into {parts} parts, got none")
        for stage in (1, 2) if parts > 1 else ():
            epochs = check_int("epochs", self.training_at(stage).get("epochs", 2))
            if epochs % parts:
                raise ValueError(
                    f"per_task must divide the epochs of a task, {epochs}, got {parts}"
                )
        if parts > 1 and self.rank is not None:
            raise ValueError(f"per_task must be 1 for a network of low rank, got {parts}")

    def new_network(self, tasks: Sequence[Task], random_state: RandomState) -> MLP:
        """An untrained network for the tasks' features and classes."""
        sizes = (tasks[0].X.shape[1], *self.hidden, tasks[0].n_classes)
        if self.rank is not None:
            return LowRankMLP(sizes, self.rank, random_state=random_state, **self.network)
        return MLP(sizes, random_state=random_state, **self.network)

    def training_at(self, stage: int, parts: int = 1) -> dict[str, Any]:
        """Keyword arguments of MLP.fit for the task of this stage (from 1), or one of its parts."""
        training = {**self.training, **(self.later_training if stage > 1 else {})}
        return in_parts(training, parts)

    def check_sleeps(self) -> None:
        """Raise ValueError unless the constants of the sleep fit the number of layers."""
        constants = self.schedule.constants
        if isinstance(constants, SleepTargets):
            return
        n_layers = len(constants.beta)
        if len(self.hidden) != n_layers - 1:
            raise ValueError(
                f"hidden must be {n_layers - 1} layer sizes, as the constants of the sleep of"
                f" '{self.name}' are for {n_layers} layers of weights; got {self.hidden}"
            )
