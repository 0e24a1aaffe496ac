"""Open questions on SRC, each an experiment with a page in docs/studies."""

from srcnb.experiments.cells import Experiment
from srcnb.experiments.studies import capacity, recover, recover_probes

__all__ = ["STUDIES"]

STUDIES: tuple[Experiment, ...] = (
    recover.EXPERIMENT,
    *recover_probes.EXPERIMENTS,
    capacity.EXPERIMENT,
)
