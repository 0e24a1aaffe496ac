"""What studies of the calibrated protocol share: the network of a data set, and their figures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from srcnb.experiments import any_network
from srcnb.experiments.any_network import best_share
from srcnb.experiments.cells import Condition
from srcnb.experiments.tables import as_text, paired
from srcnb.presets import calibrated
from srcnb.protocol import Protocol

# Data set → its network, one of those of the experiment any-network.
NETWORK = {"digits": "400-400", "mnist": "1200-1200", "fashion-mnist": "1200-1200"}

NAMES = {"own": "own outputs", "homeostasis": "homeostasis"}


def protocol_on(dataset: str, condition: Condition) -> Protocol:
    """The calibrated protocol with the network of a data set, without homeostasis."""
    return any_network.protocol_of({"network": NETWORK[dataset]})


def read(
    results: pd.DataFrame, keys: list[str], sleeps: Callable[..., bool]
) -> dict[tuple[Any, ...], pd.DataFrame]:
    """{values of ``keys``: accuracy (%), a row per seed, columns "own" and "homeostasis"}.

    Homeostasis keeps the protocol's share of features where ``sleeps(*values)``, and else the share
    that is best on average: a control gets the best there is.
    """
    share = f"{calibrated().homeostasis:g}"
    found = {}
    for values, group in results.groupby(keys, sort=False):
        heads = group.pivot(index="seed", columns="head", values="accuracy")
        read = heads[share] if sleeps(*values) else best_share(heads)
        found[tuple(values)] = pd.DataFrame({"own": heads["own"], "homeostasis": read})
    return found


def table_row(
    values: pd.DataFrame,
    others: Mapping[str, pd.DataFrame | None],
    heads: Sequence[str] = ("homeostasis",),
) -> dict[str, str]:
    """Both columns of ``values``, mean ± sd, and paired differences of ``heads`` to ``others``."""
    row = {NAMES[head]: as_text(values[head]) for head in NAMES}
    for head in heads:
        for name, other in others.items():
            column = f"over {name}" if len(heads) == 1 else f"{NAMES[head]} over {name}"
            if other is None or other is values:
                row[column] = "–"
            else:
                row[column] = paired(values[head] - other[head])
    return row
