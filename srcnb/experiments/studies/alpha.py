"""α and β: what the published forms of α make of the layers' rates, and whether it matters.

The calibrated protocol, with other thresholds θ = β/α in the hidden layers and all else alike: the
same sleep input, and of each layer's budget as much as before, that is inc and dec times the
calibrated rate over the new one. So what is compared is how often layers fire, not how far their
weights may move. On MNIST both sources' constants are looked at in their own protocols as well.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import SeedSequence

from srcnb import presets
from srcnb.datasets import NAMES
from srcnb.experiments.any_network import KEEPS, bare_run, best_share, read_outs
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.tables import as_text, paired
from srcnb.mlp import MLP
from srcnb.plotting import draw_conditions, draw_curves, new_figure
from srcnb.protocol import Protocol, SleepConstants, SleepState
from srcnb.spiking.calibrate import SleepTargets, calibrate
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.conversion import FORMS, alpha_factors
from srcnb.spiking.report import NoChangeWarning, SilentLayerWarning
from srcnb.spiking.sleeping import sleep
from srcnb.tasks import Task
from srcnb.validation import Array, check_choice

# What θ is of a layer's calibrated one: of all layers, or with a form of α, of the first layer in
# the first sleep.
SCALES = (0.25, 0.5, 1.0, 2.0)
# α and β together: a power of two, which rounds nothing, and another number.
TOGETHER = (8.0, 3.0)
SOURCES: dict[str, SleepConstants] = {
    "the paper's": presets.PAPER["mnist"],
    "the replica's": presets.REPLICA,
}
# In their own protocols, which are for 28×28 images.
OWN = {"the paper's, own protocol": "paper", "the replica's, own protocol": "replica"}
CONTROLS = ("sequential", "lazy")
SWEPT = ("θ", "diehl", "percentile")
# Of other data sets than digits, whose runs are longer.
FEW_SCALED = (("θ", 0.5), ("θ", 1.0), ("θ", 2.0), ("diehl", 1.0))
# Steps in which rates are measured, with plasticity off.
STEPS = 600


def conditions_of(dataset: str) -> list[Condition]:
    """All of them on digits, fewer scales elsewhere; own protocols where they are for."""
    if dataset == "digits":
        scaled = [("α and β", scale) for scale in TOGETHER]
        scaled += [(name, scale) for name in SWEPT for scale in SCALES]
        # In two hidden layers the paper's form is Diehl's: it differs from the third layer on.
        once = ["paper", *SOURCES, *CONTROLS]
    else:
        scaled = [*FEW_SCALED]
        once = [*SOURCES, *(OWN if dataset == "mnist" else ()), "lazy"]
    return [
        {"constants": name, "scale": scale}
        for name, scale in [*scaled, *((name, 1.0) for name in once)]
    ]


def protocol_of(dataset: str, condition: Condition) -> Protocol:
    """The calibrated one, or a source's own."""
    return presets.get(OWN.get(condition["constants"]), dataset)


@dataclass
class Exchange:
    """The sleeps of one run with other thresholds, and what is seen of them.

    Attributes
    ----------
    condition, sequence : of the cell
    ratios : a (L - 1,) array per sleep: θ of the hidden layers, in units of the calibrated θ
    rates : a (L + 1,) array per sleep: Hz of all layers, with plasticity off
    differing : spikes that are others than those of the calibrated sleep, where α and β are scaled
    """

    condition: Condition
    sequence: Sequence[Task]
    ratios: list[Array] = field(default_factory=list)
    rates: list[Array] = field(default_factory=list)
    differing: int = 0
    _gain: float = 0.0

    def sleep(self, state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        """The sleep of a run, see srcnb.methods.base.Sleep."""
        name = self.condition["constants"]
        with warnings.catch_warnings():
            # Silent layers are what is looked for.
            warnings.simplefilter("ignore", SilentLayerWarning)
            warnings.simplefilter("ignore", NoChangeWarning)
            config = state.config(net, stage)
            if name in OWN:
                targets = SleepTargets(input_rate=_input_rate(state, config))
                calibrated = calibrate(net, state.sleep_input, targets, stage)
            else:
                calibrated = config
                config = self.exchanged(config, net, self.sequence[stage - 1].X)
            rates = _rates(state, net, config, random_state)
            if name not in (*OWN, "α and β"):
                config = _same_budget(config, rates, _rates(state, net, calibrated, random_state))
            together = name == "α and β"
            result = sleep(net, state.sleep_input, config, random_state, record=together)
            if together:
                other = sleep(net, state.sleep_input, calibrated, random_state, record=True)
                assert result.spikes is not None and other.spikes is not None
                pairs = zip(result.spikes, other.spikes, strict=True)
                self.differing += sum(int((one != two).sum()) for one, two in pairs)
        self.ratios.append(np.array(config.theta[:-1]) / calibrated.theta[:-1])
        self.rates.append(rates)
        assert result.net is not None
        return result.net

    def exchanged(self, calibrated: SleepConfig, net: MLP, X: Array) -> SleepConfig:
        """The calibrated constants with the α and β of the condition."""
        name, scale = self.condition["constants"], self.condition["scale"]
        alpha, beta = np.array(calibrated.alpha), np.array(calibrated.beta)
        if name == "α and β":
            return replace(calibrated, alpha=[*(scale * alpha)], beta=[*(scale * beta)])
        if name == "θ":
            return replace(calibrated, beta=[*(scale * beta)])
        if name in SOURCES:
            published = SOURCES[name].config(net, X, calibrated.n_steps)
            return replace(calibrated, alpha=published.alpha, beta=published.beta)
        factors = alpha_factors(net, X, name)
        # One constant for all sleeps and layers, as published: alpha_scale.
        self._gain = self._gain or 1 / (scale * calibrated.theta[0] * factors[0])
        return replace(calibrated, alpha=[*(self._gain * factors)], beta=[1.0] * len(factors))


def _rates(state: SleepState, net: MLP, config: SleepConfig, random_state: SeedSequence) -> Array:
    still = replace(config, n_steps=STEPS, inc=0.0, dec=0.0)
    return sleep(net, state.sleep_input, still, random_state).rates


def _same_budget(config: SleepConfig, rates: Array, calibrated: Array) -> SleepConfig:
    """inc and dec such that a layer's spikes change its weights as much in all as calibrated."""
    share = np.where(rates > 0, calibrated / np.where(rates > 0, rates, 1), 1)[1:]
    inc, dec = (
        [float(factor) * config.in_layer(name, i) for i, factor in enumerate(share)]
        for name in ("inc", "dec")
    )
    return replace(config, inc=inc, dec=dec)


def _input_rate(state: SleepState, config: SleepConfig) -> float:
    """Spikes per step of the inputs that are ever active: their mean (SleepTargets.input_rate)."""
    x = state.sleep_input.draw(STEPS, np.random.default_rng(0))
    p = np.minimum(x[:, x.any(axis=0)] * (2 * config.dt * config.max_rate), 1)
    return float(p.mean())


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy at the end by head, and of the hidden layers θ over the calibrated one, of all Hz.

    θ is the geometric mean over all sleeps, with its largest over its smallest as ``drift``; the
    rates are means over all sleeps.
    """
    name = cell.condition["constants"]
    exchange = Exchange(cell.condition, sequence)
    for checkpoint in bare_run(name, sequence, protocol, cell.seed, exchange.sleep):
        cell.keep(checkpoint)
    seen: Row = {}
    if exchange.ratios:
        ratios = np.log(exchange.ratios)
        for i, of_layer in enumerate(ratios.T, 1):
            seen[f"theta {i}"] = float(np.exp(of_layer.mean()))
            seen[f"drift {i}"] = float(np.exp(np.ptp(of_layer)))
        for i, rate in enumerate(np.mean(exchange.rates, axis=0)):
            seen[f"rate {i}"] = float(rate)
        if name == "α and β":
            seen["differing spikes"] = exchange.differing
    keeps = KEEPS if name in CONTROLS else (_share(),)
    for row in read_outs(checkpoint.model, sequence[-1], sequence, cell.seed, keeps):
        yield {**row, **seen}


def _share() -> float:
    share = presets.calibrated().homeostasis
    assert share is not None
    return share


def _accuracies(
    results: pd.DataFrame, own: bool = False
) -> "dict[tuple[str, float], pd.Series[Any]]":
    """(constants, scale) → the accuracy of each seed with homeostasis, or by the own outputs.

    Homeostasis at the share of features kept that is best for a control, the protocol's for a
    sleep.
    """
    groups: Any = results.groupby(["constants", "scale"], sort=False)
    best = {}
    for key, of in groups:
        heads = of.pivot(index="seed", columns="head", values="accuracy")
        best[key] = heads["own"] if own else best_share(heads)
    return best


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per condition, mean ± sd; differences are paired by seed, with a 95 % interval.

    θ of the hidden layers over the calibrated θ, and drift, are geometric means over the seeds, the
    rates of all layers in Hz arithmetic ones. The control is the better one without sleep.
    """
    rows = []
    accuracies = _accuracies(results)
    against = {
        "over calibrated": accuracies.get(("θ", 1.0)),
        "over control": max(
            (accuracies[key] for key in accuracies if key[0] in CONTROLS),
            key=lambda values: values.mean(),
            default=None,
        ),
    }
    sleeps = results[(results["constants"] == "θ") & (results["scale"] == 1)]
    of_own = sleeps[sleeps["head"] == "own"].set_index("seed")["accuracy"]
    calibrated = of_own if len(of_own) else None
    for (name, scale), values in accuracies.items():
        chosen = (results["constants"] == name) & (results["scale"] == scale)
        own = results[chosen & (results["head"] == "own")].dropna(axis="columns", how="all")
        row = {"constants": name, "scale": f"{scale:g}"}
        for label, column in (("θ / calibrated θ", "theta"), ("drift of θ", "drift")):
            logs = np.log(own[[c for c in own.columns if c.startswith(column)]])
            row[label] = _numbers(np.exp(logs.mean()))
        row["rates (Hz)"] = _numbers(own[[c for c in own.columns if c.startswith("rate")]].mean())
        outputs = own.set_index("seed")["accuracy"]
        row["own outputs"], row["homeostasis"] = as_text(outputs), as_text(values)
        apart = calibrated is not None and (name, scale) != ("θ", 1.0)
        row["own over calibrated"] = paired(outputs - calibrated) if apart else "–"
        for label, others in against.items():
            row[label] = "–" if others is None or others is values else paired(values - others)
        differing = own.get("differing spikes")
        row["differing spikes"] = "–" if differing is None else f"{differing.mean():g}"
        rows.append(row)
    return pd.DataFrame(rows)


def _numbers(values: Any) -> str:
    digits = partial(np.format_float_positional, precision=2, fractional=False, trim="-")
    return ", ".join(map(digits, values)) or "–"


def picture(results: pd.DataFrame) -> Any:
    """Where each constants' thresholds are, and accuracy against their scale, by both heads."""
    figure = new_figure((14, 4.8))
    left, middle, right = figure.subplots(1, 3)
    own = results[(results["head"] == "own") & (results["scale"] == 1)]
    hidden = [c for c in results.columns if c.startswith("theta")]
    own = own[own["constants"].isin([*FORMS, *SOURCES, *OWN])]
    wide = own.pivot(index="seed", columns="constants", values=hidden)
    names = list(dict.fromkeys(own["constants"]))
    columns = {
        f"{name}, layer {column.split()[1]}": np.log2(wide[column, name])
        for name in names
        for column in hidden
    }
    if columns:
        draw_conditions(pd.DataFrame(columns), left, "log₂ of θ over the calibrated θ")
    left.axvline(0, color="0.3", linestyle="--", linewidth=1)
    x_label = "θ over the calibrated θ (of the first layer)"
    both = (
        (middle, "own outputs", _accuracies(results, own=True)),
        (right, "homeostasis", _accuracies(results)),
    )
    for axes, title, accuracies in both:
        curves = {
            name: pd.DataFrame({key[1]: accuracies[key] for key in accuracies if key[0] == name})
            for name in SWEPT
        }
        draw_curves(curves, axes, x_label, "accuracy over all classes (%)")
        axes.set_xscale("log", base=2)
        axes.set_title(title)
        for name, style in zip(CONTROLS, ("--", ":"), strict=True):
            if (name, 1.0) in accuracies:
                level = float(accuracies[name, 1.0].mean())
                axes.axhline(level, color="0.3", linestyle=style, label=f"{name}, no sleep")
        axes.get_legend().remove()
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=5)
    return figure


def alpha(dataset: str) -> Experiment:
    """The experiment on a data set."""
    check_choice("dataset", dataset, NAMES)
    return Experiment(
        "alpha",
        "α and β: thresholds of the published forms of α against calibrated ones",
        conditions_of(dataset),
        partial(protocol_of, dataset),
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds=10,
        on=alpha,
        picture=picture,
    )


EXPERIMENT = alpha("digits")
