"""Average accuracy, forgetting and backward transfer, and their mean ± sd over seeds."""

from typing import TYPE_CHECKING

import numpy as np

from srcnb.validation import check_choice

if TYPE_CHECKING:
    import pandas as pd

PHASES = ["train", "sleep"]
METRICS = ("accuracy", "average_accuracy", "forgetting", "backward_transfer")


def continual_metrics(results: "pd.DataFrame") -> "pd.DataFrame":
    """The metrics of the continual-learning literature, for each method and seed.

    With a_{k,j} the accuracy (in percent) on task j after stage k, after its sleep where there was
    one, and K the last stage:

    - accuracy: on the test samples of all tasks together, after stage K;
    - average_accuracy: mean of a_{K,j} over the tasks j (Lopez-Paz & Ranzato, NeurIPS 2017);
    - forgetting: mean over j < K of max_{k = j … K-1} a_{k,j} - a_{K,j} (Chaudhry et al., ECCV
      2018; they start at k = 1, where a task not yet learnt can be right by chance only);
    - backward_transfer: mean over j < K of a_{K,j} - a_{j,j} (Lopez-Paz & Ranzato).

    Parameters
    ----------
    results : DataFrame of ``compare_methods``, its rows in any order

    Returns
    -------
    DataFrame indexed by (method, seed). The last two are NaN for a method with only one stage.

    Raises
    ------
    ValueError
        For columns or rows that are missing, or rows that are there twice; see :func:`in_time`.
    """
    import pandas as pd

    rows = {}
    for key, cell in in_time(results).groupby(["method", "seed"], sort=False):
        # The last one of a stage is the one after its sleep.
        last = cell.groupby(["stage", "task"], sort=False)["accuracy"].last().unstack("task")
        overall = last["all"].iloc[-1]
        tasks = sorted(last.columns.drop("all"), key=lambda task: int(str(task)))
        stages = last.index.to_numpy()
        a = last[tasks].to_numpy()
        forgetting: list[float] = []
        transfer: list[float] = []
        if len(a) > 1:
            for j in range(a.shape[1] - 1):
                since = a[stages >= j + 1, j]
                forgetting.append(since[:-1].max() - since[-1])
                transfer.append(since[-1] - since[0])
        rows[key] = (
            overall,
            a[-1].mean(),
            np.mean(forgetting) if forgetting else np.nan,
            np.mean(transfer) if transfer else np.nan,
        )
    index = pd.MultiIndex.from_tuples(rows, names=["method", "seed"])
    return pd.DataFrame(list(rows.values()), index=index, columns=list(METRICS))


def in_time(results: "pd.DataFrame") -> "pd.DataFrame":
    """The rows in the order of time: stages, and "train" before "sleep"; methods as they come.

    ValueError that says which: for columns that are missing, other phases, a measurement that is
    there twice, a stage that was left out, or one without the accuracy on some task or with other
    measurements than the method's other seeds have.
    """
    columns = ["method", "seed", "stage", "phase", "task", "accuracy"]
    missing = [column for column in columns if column not in results]
    if missing:
        raise ValueError(f"results must have columns {columns}, they lack {missing}")
    for phase in results["phase"].unique():
        check_choice("phase", phase, PHASES)
    rank = results["phase"].map(PHASES.index)
    ordered = results.assign(rank=rank).sort_values(["stage", "rank"], kind="stable")
    twice = ordered.duplicated(columns[:-1])
    if twice.any():
        where = ", ".join(f"{c} {v}" for c, v in ordered.loc[twice, columns[:-1]].iloc[0].items())
        raise ValueError(f"results must hold each measurement once; twice there is {where}")
    for method, of_method in ordered.groupby("method", sort=False):
        tasks = set(of_method["task"])
        whole = {(stage, phase) for stage, phase in of_method[["stage", "phase"]].to_numpy()}
        stages = sorted({stage for stage, _ in whole})
        if "all" not in tasks or stages != list(range(stages[0], stages[-1] + 1)):
            raise ValueError(f"results of {method} lack a stage, or the accuracy on all tasks")
        for seed, cell in of_method.groupby("seed"):
            seen = {(s, p): set(part["task"]) for (s, p), part in cell.groupby(["stage", "phase"])}
            for stage, phase in sorted(whole):
                lacking = tasks - seen.get((stage, phase), set())
                if lacking:
                    raise ValueError(
                        f"results of {method}, seed {seed}, stage {stage}, phase {phase} lack"
                        f" task {min(lacking)}"
                    )
    # Methods in the order in which they came.
    first = {method: i for i, method in enumerate(dict.fromkeys(results["method"]))}
    order = ordered["method"].map(first).argsort(kind="stable")
    return ordered.drop(columns="rank").iloc[order]


def summary(results: "pd.DataFrame") -> "pd.DataFrame":
    """Mean and sd (of a sample: n - 1) of the metrics over seeds; one row per method.

    Columns are (metric, "mean"), (metric, "sd"), and ("seeds", "").
    """
    per_seed = continual_metrics(results).groupby("method", sort=False)
    table = per_seed.agg(["mean", "std"]).rename(columns={"std": "sd"}, level=1)
    table["seeds", ""] = per_seed.size()
    return table


def stage_table(results: "pd.DataFrame") -> "pd.DataFrame":
    """Mean accuracy over all classes after each stage and phase: methods × (stage, phase)."""
    overall = results[results["task"] == "all"]
    table = overall.groupby(["method", "phase", "stage"], sort=False)["accuracy"].mean()
    return table.unstack("stage").sort_index(axis=1)


def format_summary(table: "pd.DataFrame") -> "pd.DataFrame":
    """``summary`` as a DataFrame of strings "mean ± sd", for printing."""
    import pandas as pd

    def cell(mean: float, sd: float) -> str:
        if np.isnan(mean):
            return "–"
        return f"{mean:.1f}" if np.isnan(sd) else f"{mean:.1f} ± {sd:.1f}"

    columns = {
        metric.replace("_", " "): [
            cell(mean, sd) for mean, sd in table[metric].itertuples(index=False)
        ]
        for metric in METRICS
    }
    text = pd.DataFrame(columns, index=table.index)
    text["seeds"] = table["seeds"].astype(str)
    return text
