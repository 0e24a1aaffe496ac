"""One data set into a sequence of tasks.

The three scenarios of continual learning (van de Ven & Tolias 2019, "Three scenarios for continual
learning"), as far as one head of outputs goes: new classes, new domains, permuted pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from srcnb.datasets import Dataset
from srcnb.validation import (
    Array,
    RandomState,
    check_instance,
    check_int,
    check_list,
    check_memory,
    check_rng,
)

# About what a Task takes beside its samples.
_BYTES_PER_TASK = 1000


@dataclass(frozen=True)
class Task:
    """What is learnt at one stage.

    Attributes
    ----------
    name : str
    X, y : the training samples, at most ``cap`` of them
    X_all, y_all : the same without the cap (the paper's sleep input is made from these, and
        "parallel" learns them)
    X_test, y_test : the test samples of this task
    n_classes : int, of the network's output, so of all tasks together
    shape : (rows, columns) of the images, or None
    """

    name: str
    X: Array
    y: Array
    X_all: Array
    y_all: Array
    X_test: Array
    y_test: Array
    n_classes: int
    shape: tuple[int, int] | None = None


def class_incremental(
    data: Dataset,
    groups: int | Sequence[Sequence[int]] = 2,
    order: Sequence[int] | None = None,
    cap: int | None = None,
) -> list[Task]:
    """Tasks of new classes each.

    Parameters
    ----------
    data : Dataset
    groups : int, or list of lists of classes
        Classes per task (the last task takes what is left), or the classes of each task.
    order : sequence of classes, or None
        The order in which an int ``groups`` takes the classes; None: 0, 1, 2 …
    cap : int or None
        Training samples per task at most: the first ones in the order of the data (both sources
        take the first 5000).

    Raises
    ------
    ValueError
        For classes that the data set does not declare, named twice, or without samples.
    """
    _check_data("data", data)
    return [_task(data, _called(data, group), group, cap) for group in _groups(data, groups, order)]


def domain_incremental(
    data: Dataset | Iterable[Dataset],
    groups: int | Sequence[Sequence[int]] = 2,
    order: Sequence[int] | None = None,
    cap: int | None = None,
) -> list[Task]:
    """Tasks with the same outputs but another domain each.

    ``data`` is a list of Datasets with the same features and classes, one task each; or one
    Dataset, split by ``groups`` and ``order`` as in :func:`class_incremental`, whose labels become
    the place of a class within its group (so that split MNIST becomes odd or even, five times).
    """
    if isinstance(data, Dataset):
        tasks = []
        class_groups = _groups(data, groups, order)
        for group in class_groups:
            label = np.full(data.n_classes, -1)
            label[list(group)] = np.arange(len(group))
            task = _task(data, _called(data, group), group, cap)
            relabelled = {part: label[getattr(task, part)] for part in ("y", "y_all", "y_test")}
            tasks.append(replace(task, n_classes=max(map(len, class_groups)), **relabelled))
        return tasks
    if isinstance(data, str) or not np.iterable(data):
        raise TypeError(f"data must be a Dataset, or a list of them, got {data!r}")
    data = list(data)
    if order is not None or not (isinstance(groups, int) and groups == 2):  # not the default
        raise ValueError(
            f"groups and order go with one Dataset, got {groups=}, {order=} and a list"
        )
    if not data:
        raise ValueError("data must hold at least one Dataset, got an empty list")
    for i, d in enumerate(data):
        _check_data(f"data[{i}]", d)
    for d in data[1:]:
        if (d.X.shape[1], d.n_classes) != (data[0].X.shape[1], data[0].n_classes):
            raise ValueError(
                f"data must have the same features and classes: {data[0].name} has"
                f" {data[0].X.shape[1]} and {data[0].n_classes},"
                f" {d.name} has {d.X.shape[1]} and {d.n_classes}"
            )
    return [_task(d, d.name, range(d.n_classes), cap) for d in data]


def permuted_pixels(
    data: Dataset, n_tasks: int = 5, cap: int | None = None, random_state: RandomState = 0
) -> list[Task]:
    """Tasks of all classes, each with its features in another random order; the first as it is."""
    n_tasks = check_int("n_tasks", n_tasks, low=1)
    rng = check_rng("random_state", random_state)
    _check_data("data", data)
    n_bytes = data.X.nbytes + data.X_test.nbytes + _BYTES_PER_TASK
    check_memory(f"n_tasks={n_tasks}", n_tasks * n_bytes)
    whole = _task(data, "original", range(data.n_classes), cap)
    tasks = [whole]
    for i in range(1, n_tasks):
        order = rng.permutation(data.X.shape[1])
        X_all = whole.X_all[:, order]
        tasks.append(
            replace(
                whole,
                name=f"permutation {i}",
                X=X_all[:cap],
                X_all=X_all,
                X_test=whole.X_test[:, order],
            )
        )
    return tasks


def _check_data(name: str, data: Any) -> None:
    check_instance(name, data, Dataset, "a Dataset, such as srcnb.datasets.load gives")


def _groups(
    data: Dataset, groups: int | Sequence[Sequence[int]], order: Sequence[int] | None
) -> list[tuple[int, ...]]:
    if isinstance(groups, (int, np.integer)):
        size = check_int("groups", groups, low=1)
        classes = list(range(data.n_classes)) if order is None else check_list("order", order)
        _check_classes("order", classes, data.n_classes)
        return [tuple(classes[i : i + size]) for i in range(0, len(classes), size)]
    if order is not None:
        raise ValueError(f"order goes with a number of classes per task, got groups={groups!r}")
    named = [tuple(check_list("groups", group)) for group in check_list("groups", groups)]
    if not named or not all(named):
        raise ValueError(f"groups must hold at least one class per task, got {named}")
    _check_classes("groups", [c for group in named for c in group], data.n_classes)
    return named


def _called(data: Dataset, classes: Iterable[int]) -> str:
    """A name for a task of these classes, as the data set calls them."""
    names = range(data.n_classes) if data.labels is None else data.labels
    return f"classes {', '.join(str(names[c]) for c in classes)}"


def _check_classes(name: str, classes: list[Any], n_classes: int) -> None:
    classes = [check_int(name, c, low=-np.inf) for c in classes]
    if not classes:
        raise ValueError(f"{name} must name at least one class, got {classes}")
    outside = [c for c in classes if not 0 <= c < n_classes]
    if outside:
        raise ValueError(f"{name} must name classes in 0 … {n_classes - 1}, got {outside[0]}")
    if len(set(classes)) != len(classes):
        raise ValueError(f"{name} must name each class once, got {classes}")


def _task(data: Dataset, name: str, classes: Iterable[int], cap: int | None) -> Task:
    if cap is not None:
        cap = check_int("cap", cap, low=1)
    chosen = np.isin(data.y, list(classes))
    chosen_test = np.isin(data.y_test, list(classes))
    for what, c in (("training", chosen), ("test", chosen_test)):
        if not c.any():
            raise ValueError(f"task '{name}' of {data.name} is empty: it has no {what} samples")
    X, y = data.X[chosen], data.y[chosen]
    return Task(
        name,
        X[:cap],
        y[:cap],
        X,
        y,
        data.X_test[chosen_test],
        data.y_test[chosen_test],
        data.n_classes,
        data.shape,
    )
