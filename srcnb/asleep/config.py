"""SleepConfig: every constant of one sleep, validated, with its units."""

from dataclasses import dataclass

from srcnb.checks import check_choice, check_int, check_real

GATES = ("logistic", "negative", "additive")


@dataclass(frozen=True)
class SleepConfig:
    """The constants of one sleep.

    Only θ_l = β_l/α_l matters for the spikes (while dc = 0): membranes start and reset at 0 and
    everything in between is linear.

    Parameters
    ----------
    n_steps : int
        Length of the sleep in steps of ``dt`` seconds.
    alpha, beta : sequences of L floats >= 0
        Per layer: the gain α_l on the synaptic impulse, and the firing threshold β_l.
    inc, dec : float >= 0
        What a synapse gains at a spike of its post neuron if its pre neuron fires in the same
        step, and loses if it does not; both times the gate.
    decay : float in [0, 1]
        Membrane leak: v is multiplied by it at each step.
    gate : "logistic" | "negative" | "additive"
        How far a synapse of weight w may move: 1/(1 + e^-w) (torch), 2/(1 + e^(w/0.001))
        (matlab: only negative synapses are plastic), or 1.
    max_rate : float > 0
        Hz. An input of rate x fires with probability min(1, 2·dt·max_rate·x) per step; the 2 is
        the sources', so x = 1 means 2·max_rate.
    dt : float > 0
        Seconds per step.
    inhibition : float >= 0
        This share of a layer's mean impulse is taken off each of its neurons.
    dc : float
        Constant current into the last layer at each step (torch).

    Raises ValueError or TypeError that name the constant and the value got.
    """

    n_steps: int
    alpha: tuple
    beta: tuple
    inc: float
    dec: float
    decay: float = 0.999
    gate: str = "logistic"
    max_rate: float = 239.515363
    dt: float = 0.001
    inhibition: float = 0.0
    dc: float = 0.0

    def __post_init__(self):
        def put(name, value):
            object.__setattr__(self, name, value)

        put("n_steps", check_int("n_steps", self.n_steps))
        for name in ("alpha", "beta"):
            try:
                values = tuple(getattr(self, name))
            except TypeError:
                raise TypeError(
                    f"{name} must be a sequence with one number per layer,"
                    f" got {getattr(self, name)!r}"
                ) from None
            put(name, tuple(check_real(f"{name}[{i}]", v, 0) for i, v in enumerate(values)))
        if not self.alpha or len(self.alpha) != len(self.beta):
            raise ValueError(
                "alpha and beta must have one number per layer each,"
                f" got {len(self.alpha)} and {len(self.beta)}"
            )
        put("inc", check_real("inc", self.inc, 0))
        put("dec", check_real("dec", self.dec, 0))
        put("decay", check_real("decay", self.decay, 0, 1))
        check_choice("gate", self.gate, GATES)
        put("max_rate", check_real("max_rate", self.max_rate, 0, low_open=True))
        put("dt", check_real("dt", self.dt, 0, low_open=True))
        put("inhibition", check_real("inhibition", self.inhibition, 0))
        put("dc", check_real("dc", self.dc))

    @property
    def theta(self):
        """θ_l = β_l/α_l, the threshold in units of summed weights; inf where α_l is 0."""
        return tuple(
            b / a if a else float("inf") for a, b in zip(self.alpha, self.beta, strict=True)
        )

    def check_layers(self, n_layers):
        """Raise ValueError unless there is one α and one β per layer."""
        for name in ("alpha", "beta"):
            values = getattr(self, name)
            if len(values) != n_layers:
                raise ValueError(
                    f"{name} must have one number per layer of the network,"
                    f" {n_layers}, got {values}"
                )
