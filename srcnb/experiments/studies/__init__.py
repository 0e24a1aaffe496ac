"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import alpha, bias, capacity, recover, recover_probes

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (
    alpha.EXPERIMENT,
    bias.EXPERIMENT,
    recover.EXPERIMENT,
    *recover_probes.EXPERIMENTS,
    capacity.EXPERIMENT,
)
