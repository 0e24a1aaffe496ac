"""srcnb: sleep replay consolidation (SRC) in NumPy and numba.

A network forgets old tasks when it learns new ones, sleeps, and remembers. Method: Tadros,
Krishnan, Ramyaa, Bazhenov, Nature Communications 2022, doi 10.1038/s41467-022-34938-7.
"""

from srcnb._version import __version__
from srcnb.asleep.config import SleepConfig
from srcnb.asleep.dreams import MeanDream, RunDream, SampleDream, SquareDream, poisson_spikes
from srcnb.asleep.night import SilentLayerWarning, SleepReport, sleep
from srcnb.asleep.scaling import alpha_factors
from srcnb.asleep.simulate import SimulationResult, simulate
from srcnb.mlp import MLP, Gradients

__all__ = [
    "MLP",
    "Gradients",
    "MeanDream",
    "RunDream",
    "SampleDream",
    "SilentLayerWarning",
    "SimulationResult",
    "SleepConfig",
    "SleepReport",
    "SquareDream",
    "__version__",
    "alpha_factors",
    "poisson_spikes",
    "simulate",
    "sleep",
]
