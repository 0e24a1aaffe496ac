"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = ()
