"""Average accuracy, forgetting and backward transfer, and their mean ± sd over seeds; intervals;
and how far a classifier's probabilities can be trusted: Brier score, calibration, temperature."""

from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.validation import (
    Array,
    ArrayLike,
    check_array,
    check_choice,
    check_instance,
    check_int,
    check_labels,
    check_real,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["method", "seed", "stage", "phase", "task", "accuracy"]
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
        For columns or rows that are missing, rows that are there twice, or accuracies that are
        none; see :func:`in_time`.
    """
    import pandas as pd

    rows = {}
    for key, cell in in_time(results).groupby(["method", "seed"], sort=False):
        # The last one of a stage is the one after its sleep.
        last = cell.groupby(["stage", "task"], sort=False)["accuracy"].last().unstack("task")
        overall = last["all"].iloc[-1]
        tasks = sorted(last.columns.drop("all"), key=int)
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

    With T tasks, a method is measured after it has learnt each of them, stages 1 … T, or once: at
    stage T, as joint training is, or at stage 1, on one task alone. It sleeps after every k-th
    stage, only after the last, or never.

    ValueError that says which: for columns that are missing, values that are missing or none that
    the column may have, tasks other than "all" and 1 … T, a measurement that is there twice, and
    stages or sleeps that are missing, in all seeds or in one, or without the accuracy on some task.
    """
    ordered = _valid(results).sort_values(["stage", "phase"], key=_rank, kind="stable")
    twice = ordered.duplicated(COLUMNS[:-1])
    if twice.any():
        where = _where(ordered[twice].iloc[0])
        raise ValueError(f"results must hold each measurement once; twice there is {where}")
    n_tasks = _n_tasks(set(ordered["task"]))
    for method, of_method in ordered.groupby("method", sort=False):
        _check_stages(str(method), of_method, n_tasks)
        measured = of_method[["stage", "phase"]].drop_duplicates()
        for seed, cell in of_method.groupby("seed"):
            seen = {key: set(part["task"]) for key, part in cell.groupby(["stage", "phase"])}
            for stage, phase in measured.itertuples(index=False):
                lacking = set(ordered["task"]) - seen.get((stage, phase), set())
                if lacking:
                    raise ValueError(
                        f"results of {method}, seed {seed}, stage {stage}, phase {phase} lack"
                        f" task {min(lacking)}"
                    )
    # Methods in the order in which they came.
    first = {method: i for i, method in enumerate(dict.fromkeys(results["method"]))}
    order = ordered["method"].map(first).argsort(kind="stable")
    return ordered.iloc[order]


def interval(differences: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The interval of a mean by Student's t: of paired differences, one per seed.

    Parameters
    ----------
    differences : array-like of shape (n,), n >= 2
    level : float in (0, 1)

    Raises
    ------
    ValueError, TypeError
        For fewer than two values, or values that are not finite.
    """
    from scipy.stats import t

    values = check_array("differences", differences, 1, np.float64)
    if len(values) < 2:
        raise ValueError(f"differences must be at least two, got {len(values)}")
    level = check_real("level", level, 0, 1, low_open=True, high_open=True)
    half = t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def brier_score(probabilities: ArrayLike, y: ArrayLike) -> float:
    """The mean over samples of Σ_c (p_c - 1[y = c])², in [0, 2]; 0 is best (Brier 1950).

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes), each row's sum is 1
    y : array-like of shape (n,), labels

    Raises
    ------
    ValueError, TypeError
        For no samples, rows that are no probabilities, or labels outside the classes.
    """
    p, labels = _predicted(probabilities, y)
    p[np.arange(len(p)), labels] -= 1
    return float((p**2).sum(axis=1).mean())


def calibration_error(probabilities: ArrayLike, y: ArrayLike, n_bins: int = 15) -> float:
    """The expected calibration error, in [0, 1]: how far confidence and accuracy are apart.

    Samples are put into ``n_bins`` bins of equal width by the probability of the predicted class;
    it is the mean of |accuracy - mean probability| of the bins, each weighted by its samples (Guo
    et al., ICML 2017). A bin holds its upper edge. Parameters and errors as in :func:`brier_score`.
    """
    p, labels = _predicted(probabilities, y)
    n_bins = check_int("n_bins", n_bins, low=1)
    confidence = p.max(axis=1)
    excess = confidence - (p.argmax(axis=1) == labels)
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    return float(np.abs(np.bincount(bins, excess)).sum() / len(p))


def entropy(probabilities: ArrayLike) -> float:
    """The mean over samples of the entropy of their probabilities, in bits.

    0 for a classifier that is always sure, log2(n_classes) for one that never is.
    """
    from scipy.special import entr

    p, _ = _predicted(probabilities, None)
    return float(entr(p).sum(axis=1).mean() / np.log(2))


def fit_temperature(logits: ArrayLike, y: ArrayLike) -> float:
    """The T > 0 for which softmax(logits / T) has the least cross-entropy (Guo et al. 2017).

    It changes no prediction. To be fitted on samples that were not trained on; looked for between
    1e-4 and 1e4.

    Parameters
    ----------
    logits : array-like of shape (n, n_classes)
    y : array-like of shape (n,), labels

    Raises
    ------
    ValueError, TypeError
        For no samples, logits that are not finite, or labels outside the classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    z, labels = _labelled("logits", logits, y)

    def loss(log_t: float) -> float:
        likelihoods = log_softmax(z / 10**log_t, axis=1)
        return -float(likelihoods[np.arange(len(z)), labels].mean())

    # It is convex in 1 / T, so that there is one minimum in log T as well.
    return float(10 ** minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)


def _predicted(probabilities: ArrayLike, y: ArrayLike | None) -> tuple[Array, Array]:
    """Probabilities as a copy, float64, and labels, checked."""
    p, labels = _labelled("probabilities", probabilities, y)
    p = p.copy()
    if p.min() < 0:
        raise ValueError(f"probabilities must be at least 0, got {p.min():g}")
    sums = p.sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-4):
        worst = sums[np.abs(sums - 1).argmax()]
        raise ValueError(f"probabilities must have rows whose sum is 1, got {worst:g}")
    return p, labels


def _labelled(name: str, values: ArrayLike, y: ArrayLike | None) -> tuple[Array, Array]:
    """(n, n_classes) float64 and (n,) labels, checked; without ``y`` the labels are none."""
    array = check_array(name, values, 2, np.float64)
    if not array.size:
        raise ValueError(f"{name} must hold at least one sample, got shape {array.shape}")
    none = np.empty(0, np.int64)
    return array, none if y is None else check_labels("y", y, *array.shape)


def _rank(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.map(PHASES.index) if column.name == "phase" else column


def _valid(results: "pd.DataFrame") -> "pd.DataFrame":
    """The results with stages as ints, tasks as strings and accuracies as floats."""
    import pandas as pd

    check_instance("results", results, pd.DataFrame, "a DataFrame of compare_methods")
    missing = [column for column in COLUMNS if column not in results]
    if missing:
        raise ValueError(f"results must have columns {COLUMNS}, they lack {missing}")
    if results.columns.has_duplicates:
        raise ValueError(f"results must have each column once, got {[*results.columns]}")
    if not len(results):
        raise ValueError("results must hold at least one row, they are empty")
    for phase in results["phase"].unique():
        check_choice("phase of results", phase, PHASES)
    stage, accuracy = (pd.to_numeric(results[c], errors="coerce") for c in ("stage", "accuracy"))
    rules = {
        "method": (results["method"].notna(), "a name"),
        "seed": (results["seed"].notna(), "a number"),
        "task": (results["task"].notna(), "'all' or a number"),
        "stage": ((stage >= 1) & (stage % 1 == 0), "a whole number from 1 on"),
        "accuracy": (accuracy.map(np.isreal) & accuracy.between(0, 100), "a number in [0, 100]"),
    }
    for column, (right, what) in rules.items():
        if not right.all():
            row = results[~right].iloc[0]
            raise ValueError(
                f"{column} of results must be {what}, got {row[column]} for {_where(row)}"
            )
    return results.assign(
        stage=stage.astype(int), task=results["task"].astype(str), accuracy=accuracy.astype(float)
    )


def _where(row: "pd.Series[Any]") -> str:
    """What a row measures, in words."""
    return ", ".join(f"{column} {row[column]}" for column in COLUMNS[:-1])


def _n_tasks(tasks: set[str]) -> int:
    """The number of tasks; ValueError unless there are "all" and each number from 1 on."""
    n_tasks = len(tasks - {"all"})
    expected = ["all", *map(str, range(1, max(n_tasks, 1) + 1))]
    lacking = [task for task in expected if task not in tasks]
    if lacking:
        raise ValueError(
            "results must have the tasks 'all' and each number from 1 on; they lack"
            f" {lacking[0]!r}, and have {sorted(tasks)}"
        )
    return n_tasks


def _check_stages(method: str, results: "pd.DataFrame", n_tasks: int) -> None:
    """ValueError unless a method is trained and sleeps at stages that some schedule gives."""
    trained, slept = (
        sorted(set(results.loc[results["phase"] == phase, "stage"])) for phase in PHASES
    )
    stages = list(range(1, n_tasks + 1))
    if trained not in (stages, [n_tasks]) and (trained != [1] or slept):
        raise ValueError(
            f"results of {method} must be measured after training at the stages 1 … {n_tasks}, or"
            f" at {n_tasks} only, as there are {n_tasks} tasks; got stages {trained}"
        )
    due = [[], *(list(range(k, n_tasks + 1, k)) for k in stages)]
    if slept not in due or not set(slept) <= set(trained):
        raise ValueError(
            f"results of {method} must have a sleep after every k-th of the stages {trained}, or"
            f" only after the last; got sleeps after {slept}"
        )


def summary(results: "pd.DataFrame") -> "pd.DataFrame":
    """Mean and sd (of a sample: n - 1) of the metrics over seeds; one row per method.

    Columns are (metric, "mean"), (metric, "sd"), and ("seeds", "").
    """
    per_seed = continual_metrics(results).groupby("method", sort=False)
    table = per_seed.agg(["mean", "std"]).rename(columns={"std": "sd"}, level=1)
    table["seeds", ""] = per_seed.size()
    return table


def stage_table(results: "pd.DataFrame") -> "pd.DataFrame":
    """Mean accuracy over all classes after each stage and phase: (method, phase) × stage.

    Raises ValueError as :func:`in_time` does.
    """
    results = in_time(results)
    overall = results[results["task"] == "all"]
    table = overall.groupby(["method", "phase", "stage"], sort=False)["accuracy"].mean()
    return table.unstack("stage").sort_index(axis=1)


def format_summary(table: "pd.DataFrame") -> "pd.DataFrame":
    """``summary`` as a DataFrame of strings "mean ± sd", for printing."""
    import pandas as pd

    check_instance("table", table, pd.DataFrame, "a DataFrame of summary")
    missing = {*METRICS, "seeds"} - {*table.columns.get_level_values(0)}
    if missing:
        raise ValueError(f"table must be one of summary, it lacks {sorted(missing)}")

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
