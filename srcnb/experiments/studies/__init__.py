"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import ingredients, merging_or_sleep, order_and_time, step_back

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (
    merging_or_sleep.EXPERIMENT,
    step_back.EXPERIMENT,
    ingredients.EXPERIMENT,
    order_and_time.EXPERIMENT,
)
