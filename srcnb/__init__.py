"""srcnb: sleep replay consolidation (SRC) in NumPy and numba.

A network forgets old tasks when it learns new ones, sleeps, and remembers. Method: Tadros,
Krishnan, Ramyaa, Bazhenov, Nature Communications 2022, doi 10.1038/s41467-022-34938-7.

What it decides for its user is logged, by loggers below "srcnb", and not shown by itself:
``logging.basicConfig(level=logging.INFO)`` shows it.
"""

import logging as _logging
from typing import TYPE_CHECKING, Any

from srcnb._version import __version__
from srcnb.backprop import Gradients
from srcnb.low_rank import load
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.search import SearchResult, search
from srcnb.sklearn_mlp import from_sklearn, to_sklearn
from srcnb.sklearn_sleep import sleep_sklearn
from srcnb.spiking.calibrate import RateWarning, SleepTargets, calibrate
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.conversion import alpha_factors
from srcnb.spiking.inputs import (
    MeanInput,
    PatchInput,
    SampleInput,
    SegmentInput,
    SleepInput,
    poisson_spikes,
)
from srcnb.spiking.report import Change, NoChangeWarning, SilentLayerWarning, SleepResult
from srcnb.spiking.scaling import FeatureScale
from srcnb.spiking.simulate import simulate
from srcnb.spiking.sleeping import sleep
from srcnb.spiking.trace import Trace, trace
from srcnb.state_dict import from_state_dict, save_state_dict, to_state_dict

if TYPE_CHECKING:
    from srcnb.estimator import SleepReplayClassifier

# So that nothing is printed unless the user sets up logging.
_logging.getLogger(__name__).addHandler(_logging.NullHandler())

__all__ = [
    "MLP",
    "Change",
    "FeatureScale",
    "Gradients",
    "MeanInput",
    "NoChangeWarning",
    "PatchInput",
    "RateWarning",
    "SampleInput",
    "SearchResult",
    "SegmentInput",
    "SilentLayerWarning",
    "SleepConfig",
    "SleepInput",
    "SleepReplayClassifier",
    "SleepResult",
    "SleepTargets",
    "Trace",
    "__version__",
    "alpha_factors",
    "calibrate",
    "from_sklearn",
    "from_state_dict",
    "homeostasis",
    "load",
    "poisson_spikes",
    "save_state_dict",
    "search",
    "simulate",
    "sleep",
    "sleep_sklearn",
    "to_sklearn",
    "to_state_dict",
    "trace",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first used, as scikit-learn takes longer than all the rest."""
    if name == "SleepReplayClassifier":
        from srcnb.estimator import SleepReplayClassifier

        return SleepReplayClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
