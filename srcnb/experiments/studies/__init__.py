"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import bias

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (bias.EXPERIMENT,)
