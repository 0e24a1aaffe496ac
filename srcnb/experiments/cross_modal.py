"""Cross-modal: all of MNIST, then all of Fashion-MNIST, with one head of ten classes for both."""

from dataclasses import replace
from functools import cache, partial

from srcnb import datasets, protocols, tasks
from srcnb.experiments.runner import Experiment, mean_sd, measurements
from srcnb.methods import METHODS

CONSTANTS = (227.437205, 0.050052, 0.005592, 4.700579, 7.750487, 7.055086, 9.284002)
# Steps of the first sleep, and what the second has more. In the script both lengths go through
# uint8, which makes them 255, and the second sleep's input and α come from MNIST only.
AS_WRITTEN = partial(protocols.MatlabNight, CONSTANTS, first_steps=6665, more_steps=5803)
AS_RUN = partial(protocols.FirstTaskNight, CONSTANTS, first_steps=255, more_steps=0)
CONDITIONS = {
    "sequential": ("sequential", AS_WRITTEN),
    "src": ("src", AS_WRITTEN),
    "src, as the script runs": ("src", AS_RUN),
    "parallel": ("parallel", AS_WRITTEN),
    # The script's control: it has never seen the first set.
    "Fashion-MNIST alone": ("sequential", AS_WRITTEN),
}


@cache
def two_sets(data_dir):
    """Both data sets as two tasks."""
    return tasks.domain_incremental(
        [datasets.load(name, data_dir) for name in ("mnist", "fashion-mnist")]
    )


def run(condition, seed, source):
    """Measurements after each set and each sleep."""
    method, new_night = CONDITIONS[condition["method"]]
    protocol = replace(
        protocols.matlab_protocol(),
        new_night=new_night,
        cap=None,
        parallel_epochs=None,
    )
    sequence = two_sets(source.data_dir)
    learnt = sequence[1:] if condition["method"] == "Fashion-MNIST alone" else sequence
    return measurements(METHODS[method](learnt, protocol, seed), sequence)


def table(results):
    """Accuracy on each set, and on both, after each stage."""
    names = {"all": "both", "1": "MNIST", "2": "Fashion-MNIST"}
    results = results.assign(task=results["task"].map(names))
    results["after"] = "task " + results["stage"].astype(str) + " (" + results["phase"] + ")"
    return mean_sd(results, ["method", "after"], ["task"])


EXPERIMENT = Experiment(
    "cross-modal",
    "MNIST, then Fashion-MNIST, ten outputs for both",
    [{"method": method} for method in CONDITIONS],
    run,
    table,
)
