"""Cross-modal: two whole sets, and the lengths of the sleeps as written and as they run."""

import pandas as pd
import pytest
from conftest import changes

from srcnb import presets
from srcnb.experiments import EXPERIMENTS

WRITTEN = dict(first_steps=6665, more_steps=12468 - 6665)
RUN = dict(first_steps=255, more_steps=0, data="first")


@pytest.mark.parametrize(
    ("method", "sleeps"),
    [
        ("sequential", WRITTEN),
        ("src", WRITTEN),
        ("src, as the script runs", RUN),
        ("parallel", WRITTEN),
        ("Fashion-MNIST alone", WRITTEN),
    ],
)
def test_protocol(method, sleeps):
    protocol = EXPERIMENTS["cross-modal"].protocol(dict(method=method))
    assert changes(protocol, presets.paper("cross-modal")) == {
        "cap": None,
        "parallel_epochs": None,
        **sleeps,
    }


@pytest.mark.parametrize(
    ("method", "fits", "alpha"),
    [
        ("src", [60, 60], [60, 120]),
        # The second sleep's input and α come from the first set only.
        ("src, as the script runs", [60, 60], [60, 60]),
        ("parallel", [120], []),
        ("Fashion-MNIST alone", [60], []),
    ],
)
def test_what_is_learnt(record, method, fits, alpha):
    seen = record("cross-modal", method=method)
    assert [fit.n for fit in seen.fits] == fits
    assert all(fit.classes == list(range(10)) and fit.epochs == 2 for fit in seen.fits)
    assert [got.n for got in seen.configs] == alpha


def test_the_control_has_never_seen_mnist(record):
    [fit] = record("cross-modal", method="Fashion-MNIST alone").fits
    first, second = record("cross-modal", method="sequential").fits
    assert (fit.X == second.X).all() and not (fit.X == first.X).all()
    # It is measured on both sets all the same.
    rows = record("cross-modal", method="Fashion-MNIST alone").rows
    assert [row["task"] for row in rows] == ["all", "1", "2"]


def test_table(record):
    rows = [{"method": "src", "seed": 0, **row} for row in record("cross-modal", method="src").rows]
    table = EXPERIMENTS["cross-modal"].table(pd.DataFrame(rows))
    assert table.columns.tolist() == ["method", "after", "both", "MNIST", "Fashion-MNIST"]
    assert table["after"].tolist() == [
        *("task 1 (train)", "task 1 (sleep)", "task 2 (train)", "task 2 (sleep)")
    ]
