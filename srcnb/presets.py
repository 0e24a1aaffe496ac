"""Named constants and protocols: the paper's and the replica's, as published, and our own.

What the paper's scripts do is its authors' code (github tmtadros/SleepReplayConsolidation); the
replica is github agbld/sleep-replay-consolidation-python.
"""

from functools import partial
from pathlib import Path

from srcnb.preset_files import load_preset
from srcnb.protocol import Protocol, ReadOnly, SleepConstants, SleepSchedule
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.inputs import PatchInput, SampleInput
from srcnb.validation import check_choice


def _paper(
    source: str,
    *,
    max_rate: float,
    inc: float,
    dec: float,
    beta: tuple[float, ...],
    alpha_scale: float,
) -> SleepConstants:
    """Constants as the paper's scripts have them, all with the same gate and form of α."""
    return SleepConstants(
        source=f"the paper's code, {source}",
        max_rate=max_rate,
        inc=inc,
        dec=dec,
        gate="negative",
        beta=beta,
        alpha_form="paper",
        alpha_scale=alpha_scale,
    )


# The paper's constants by experiment.
PAPER = ReadOnly(
    {
        "mnist": _paper(
            "MNIST",
            max_rate=239.515363,
            inc=0.032064,
            dec=0.003344,
            beta=(14.548273, 44.560317, 38.046326),
            alpha_scale=55.882454,
        ),
        "fashion-mnist": _paper(
            "Fashion-MNIST",
            max_rate=181.047258,
            inc=0.041001,
            dec=0.003344,
            beta=(40.446884, 27.596929, 33.109393),
            alpha_scale=31.592987,
        ),
        "cifar10": _paper(
            "CIFAR10 features",
            max_rate=453.020604,
            inc=0.078129,
            dec=0.003005,
            beta=(8.070491, 0.907842, 1.728840),
            alpha_scale=4.131109,
        ),
        "cub200": _paper(
            "CUB200 features",
            max_rate=32.0,
            inc=0.01,
            dec=0.001,
            beta=(1.0, 1.0, 1.0),
            alpha_scale=1.0,
        ),
        "cross-modal": _paper(
            "MNIST, then Fashion-MNIST",
            max_rate=227.437205,
            inc=0.050052,
            dec=0.005592,
            beta=(4.700579, 7.750487, 7.055086),
            alpha_scale=9.284002,
        ),
        "patches": _paper(
            "Patches",
            max_rate=64.0,
            inc=0.0035,
            dec=0.0002,
            beta=(1.045,),
            alpha_scale=4.25,
        ),
        "little-training-10": _paper(
            "MNIST, 10 epochs on 5000 images",
            max_rate=42.162268,
            inc=0.022175,
            dec=0.076886,
            beta=(37.312702, 7.101362, 32.780841),
            alpha_scale=14.308178,
        ),
        "little-training-20": _paper(
            "MNIST, 20 epochs on 5000 images",
            max_rate=56.274254,
            inc=0.089164,
            dec=0.094930,
            beta=(39.355043, 18.459940, 35.408674),
            alpha_scale=2.683161,
        ),
        "little-training-40": _paper(
            "MNIST, 40 epochs on 5000 images",
            max_rate=29.393650,
            inc=0.031111,
            dec=0.000001,
            beta=(8.102056, 26.252258, 33.832234),
            alpha_scale=2.023822,
        ),
        "rehearsal-10-percent": _paper(
            "MNIST with 10 % of the earlier data",
            max_rate=21.0,
            inc=0.1,
            dec=0.000001,
            beta=(22.259158, 0.318765, 0.0),
            alpha_scale=0.1,
        ),
        "icarl-50": _paper(
            "iCaRL, a memory of 50",
            max_rate=95.654279,
            inc=0.058705,
            dec=0.009112,
            beta=(27.477005, 21.155469, 22.567029),
            alpha_scale=19.001764,
        ),
        "icarl-to-500": _paper(
            "iCaRL, memories of 100 to 500",
            max_rate=114.365720,
            inc=0.042289,
            dec=0.005498,
            beta=(38.451454, 22.198208, 6.893450),
            alpha_scale=4.253433,
        ),
        "icarl-above-500": _paper(
            "iCaRL, memories above 500",
            max_rate=27.393650,
            inc=0.019093,
            dec=0.060217,
            beta=(9.625520, 34.737610, 31.296881),
            alpha_scale=2.023822,
        ),
    }
)

REPLICA = SleepConstants(
    source="the replica, MNIST",
    max_rate=239.515363,
    inc=0.001,
    dec=0.0001,
    gate="logistic",
    beta=(14.548273, 44.560317, 38.046326),
    alpha=(14.983829, 253.17746, 7.7707720),
)

_OWN_RHO = 0.215
OWN = SleepConstants(
    source="a random search on digits' training set; the README says how",
    max_rate=170.0,
    inc=0.00073,
    dec=0.00073 * _OWN_RHO / (1 - _OWN_RHO),
    gate="logistic",
    beta=(0.16, 0.09, 10.0),
    alpha_form="diehl",
)

# Data sets of 28×28 images, which both published protocols are for.
IMAGES = ("mnist", "fashion-mnist")
PRESETS = ("calibrated", "own", "replica", "paper")


def paper(constants: str = "mnist") -> Protocol:
    """The paper's own protocol for images of 28×28 pixels, with the constants of this name."""
    return Protocol(
        name="paper",
        hidden=(1200, 1200),
        schedule=SleepSchedule(
            constants=PAPER[check_choice("constants", constants, PAPER)],
            sleep_input=partial(PatchInput, size=11, shape=(28, 28)),
            first_steps=15000,
            more_steps=5000,
            # Sleep input and α are not capped at the 5000 samples that the source trains on.
            data="seen",
        ),
        cap=5000,
        network=dict(bias=False, dropout=0.25, inverted_dropout=False, output="relu", init=0.01),
        training=dict(
            epochs=2, batch_size=100, learning_rate=0.1, momentum=0.5, reset_momentum=False
        ),
        # The script says 2 as well, which gives 94.3 % here. The paper's 98.02 is what 10 give:
        # as many passes as the five tasks have together.
        parallel_epochs=10,
    )


def replica() -> Protocol:
    """The protocol of the replica, for images of 28×28 pixels."""
    return Protocol(
        name="replica",
        hidden=(4000, 4000),
        schedule=SleepSchedule(
            constants=REPLICA,
            sleep_input=partial(SampleInput, n_samples=10, keep=0.25),
            first_steps=500,
            more_steps=166,
        ),
        cap=5000,
        network=dict(bias=False, dropout=0.25, inverted_dropout=True, output="softmax"),
        training=dict(
            epochs=2, batch_size=100, learning_rate=0.01, momentum=0.5, reset_momentum=True
        ),
    )


def own(constants: SleepConstants = OWN, first_steps: int = 770, more_steps: int = 257) -> Protocol:
    """Our protocol of constants searched for on digits' training data, the default before.

    Masked samples of the current task, α from its activations, nothing else kept.
    """
    return Protocol(
        name="own",
        hidden=(400, 400),
        schedule=SleepSchedule(
            constants=constants,
            sleep_input=partial(SampleInput, n_samples=1, keep=0.25),
            first_steps=first_steps,
            more_steps=more_steps,
        ),
        cap=5000,
        network=dict(bias=False, dropout=0.25, output="softmax"),
        training=dict(epochs=5, batch_size=20, learning_rate=0.05, momentum=0.5),
    )


def calibrated() -> Protocol:
    """Our protocol for any network and data set: nothing in it has a unit.

    Batches of a hundredth of a task's samples, three epochs, and a sleep of the hidden layers after
    each epoch, which is calibrated to the network (``SleepTargets()``); the outputs are brought to
    one scale at prediction. Chosen on training data of digits and MNIST: docs/ANY_NETWORK.md says
    how.
    """
    targets = SleepTargets()
    return Protocol(
        name="calibrated",
        hidden=(400, 400),
        schedule=SleepSchedule(
            constants=targets,
            sleep_input=partial(SampleInput, n_samples=1, keep=0.2),
            first_steps=targets.n_steps,
            per_task=3,
        ),
        cap=5000,
        network=dict(bias=False, dropout=0.25, output="softmax", init="large_hidden"),
        training=dict(epochs=3, batch_size=0.01, learning_rate=0.0125, momentum=0.5),
        # So many updates as the five tasks have together.
        parallel_epochs=15,
        homeostasis=0.3,
    )


def get(preset: str | Path | None, dataset: str) -> Protocol:
    """The protocol of a preset (None: "calibrated") for the data set of this name.

    ``preset`` may be a file of :func:`srcnb.preset_files.save_preset`, whose name ends with .json.
    Raises ValueError for an unknown preset, one that was not published for such data, or a bad
    file.
    """
    if preset is None or preset == "calibrated":
        return calibrated()
    if preset == "own":
        return own()
    if isinstance(preset, (str, Path)) and Path(preset).suffix == ".json":
        return load_preset(preset)
    if not isinstance(preset, str) or preset not in PRESETS:
        names = ", ".join(map(repr, PRESETS))
        raise ValueError(f"preset must be one of {names}, or a .json file; got {preset!r:.60}")
    if dataset not in IMAGES:
        raise ValueError(
            f"preset {preset!r} is a protocol for 28×28 images ({', '.join(IMAGES)}), got dataset"
            f" {dataset!r}; without a preset the calibrated protocol works on every data set"
        )
    return replica() if preset == "replica" else paper(dataset)
