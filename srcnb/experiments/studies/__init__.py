"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import confidence, little_data

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (little_data.EXPERIMENT, confidence.EXPERIMENT)
