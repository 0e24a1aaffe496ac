"""Results as tables: mean ± sd over the seeds, as strings, and Markdown."""

from typing import Any

import numpy as np
import pandas as pd

from srcnb.metrics import interval


def mean_sd(results: pd.DataFrame, rows: list[str], columns: list[str]) -> pd.DataFrame:
    """Accuracy, mean ± sd over the seeds (n - 1), as a DataFrame of strings.

    Where fewer seeds have been run than elsewhere their number is added.

    ``rows`` and ``columns`` are lists of columns of ``results``, each combination of which must
    have one measurement per seed.
    """
    keys = [*rows, *columns]
    if results.duplicated([*keys, "seed"]).any():
        raise ValueError(f"rows and columns must tell measurements apart, got {keys}")
    groups: Any = results.groupby(keys, sort=False)["accuracy"].agg(["mean", "std", "size"])
    most = groups["size"].max()

    def cell(group: Any) -> str:
        text = f"{group['mean']:.1f}" + (f" ± {group['std']:.1f}" if group["size"] > 1 else "")
        return text if group["size"] == most else f"{text} (n = {group['size']:.0f})"

    text = groups.apply(cell, axis=1)
    if not columns:
        return pd.DataFrame(text.to_frame("accuracy").reset_index())
    wide = text.unstack(columns)
    order = list(dict.fromkeys(map(tuple, results[columns].to_numpy())))
    wide = wide[[key if len(columns) > 1 else key[0] for key in order]]
    wide.columns = [", ".join(map(str, np.atleast_1d(key))) for key in wide.columns]
    wide = wide.reindex(list(dict.fromkeys(text.index.droplevel(columns))))
    return pd.DataFrame(wide.reset_index())


def as_text(values: "pd.Series[Any]") -> str:
    """The mean ± sd of a column, "12.3 ± 0.4"; of one number, that number."""
    return f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if values.count() > 1 else "")


def paired(differences: "pd.Series[Any]") -> str:
    """The mean of paired differences with its 95 % interval: "+1.2 [+0.3, +2.1]".

    A seed that lacks one of the two is left out; of one there is no interval, of none a dash.
    """
    differences = differences.dropna()
    if differences.empty:
        return "–"
    mean = f"{differences.mean():+.1f}"
    if len(differences) < 2:
        return mean
    low, high = interval(differences)
    return f"{mean} [{low:+.1f}, {high:+.1f}]"


def at_the_end(results: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows on all tasks together that each seed's last measurement gave."""
    overall = results[results["task"] == "all"]
    return overall.groupby([*keys, "seed"], sort=False).tail(1)


def to_markdown(table: pd.DataFrame) -> str:
    """A DataFrame of strings as a Markdown table."""
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [["–" if cell != cell else str(cell) for cell in row] for row in table.to_numpy()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
