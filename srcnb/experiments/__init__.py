"""Experiments: what both sources published, and what is asked of them, each with one command.

An Experiment (cells.py) is a list of conditions and a function that measures one of them with one
seed; ``srcnb experiment NAME`` runs each condition with each seed and writes NAME.csv and NAME.md,
and for some NAME.png. ``sleep_again`` repeats a sleep of a run that saved its networks.
"""

from srcnb.experiments import (
    any_network,
    class_incremental,
    cross_modal,
    features,
    memory,
    one_sleep,
    patches,
    studies,
)
from srcnb.experiments.folder import sleep_again

__all__ = ["EXPERIMENTS", "sleep_again"]

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        *class_incremental.EXPERIMENTS,
        *cross_modal.EXPERIMENTS,
        *patches.EXPERIMENTS,
        *memory.EXPERIMENTS,
        *one_sleep.EXPERIMENTS,
        *features.EXPERIMENTS,
        *any_network.EXPERIMENTS,
        *studies.STUDIES,
    )
}
