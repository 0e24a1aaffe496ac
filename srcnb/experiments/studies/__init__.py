"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import (
    alpha,
    bias,
    capacity,
    confidence,
    ingredients,
    little_data,
    merging_or_sleep,
    order_and_time,
    recover,
    recover_probes,
    step_back,
)

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (
    alpha.EXPERIMENT,
    bias.EXPERIMENT,
    capacity.EXPERIMENT,
    merging_or_sleep.EXPERIMENT,
    recover.EXPERIMENT,
    *recover_probes.EXPERIMENTS,
    step_back.EXPERIMENT,
    ingredients.EXPERIMENT,
    order_and_time.EXPERIMENT,
    little_data.EXPERIMENT,
    confidence.EXPERIMENT,
)
