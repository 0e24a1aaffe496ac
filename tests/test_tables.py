"""Tables: mean ± sd as strings, and Markdown."""

import numpy as np
import pandas as pd
import pytest

from srcnb.experiments import tables


def table(values):
    return pd.DataFrame(values, columns=["a", "b", "seed", "accuracy"])


def test_mean_sd():
    results = table(
        [(1, "x", 0, 10.0), (1, "x", 1, 20.0), (1, "y", 0, 5.0), (2, "y", 0, 7.0), (2, "y", 1, 7.0)]
    )
    wide = tables.mean_sd(results, ["a"], ["b"])
    assert wide.columns.tolist() == ["a", "x", "y"]
    assert wide.loc[0].tolist() == [1, "15.0 ± 7.1", "5.0 (n = 1)"]
    assert wide.loc[1, "y"] == "7.0 ± 0.0" and wide["x"].isna()[1]
    long = tables.mean_sd(results, ["a", "b"], [])
    assert long.columns.tolist() == ["a", "b", "accuracy"] and len(long) == 3
    with pytest.raises(ValueError, match=r"rows and columns must tell .* got \['a'\]"):
        tables.mean_sd(results, ["a"], [])


def test_to_markdown():
    text = tables.to_markdown(pd.DataFrame({"a": [1, 2], "b": ["x", np.nan]}))
    assert text == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | – |\n"


def test_at_the_end():
    rows = [
        ("m", seed, task, 10 * seed + i) for seed in (0, 1) for i in (0, 1) for task in ("all", "1")
    ]
    results = pd.DataFrame(rows, columns=["method", "seed", "task", "accuracy"])
    assert tables.at_the_end(results, ["method"])["accuracy"].tolist() == [1, 11]


def test_as_text():
    assert tables.as_text(pd.Series([80.0, 84.0, np.nan])) == "82.0 ± 2.8"
    assert tables.as_text(pd.Series([80.04])) == "80.0"


def test_paired():
    # t(0.975, df = 1) is 12.706.
    assert tables.paired(pd.Series([1.0, 2.0, np.nan])) == "+1.5 [-4.9, +7.9]"
    assert tables.paired(pd.Series([-1.0, np.nan])) == "-1.0"
    assert tables.paired(pd.Series([np.nan])) == "–"
