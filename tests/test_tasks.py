"""A data set into a sequence of tasks."""

import numpy as np
import pytest

from srcnb import tasks
from srcnb.datasets import Dataset


def test_class_incremental(easy_data):
    parts = tasks.class_incremental(easy_data, groups=2)
    assert [t.name for t in parts] == ["classes 0, 1", "classes 2"]
    assert set(parts[0].y) == set(parts[0].y_test) == {0, 1}
    assert set(parts[1].y_all) == {2}
    assert sum(len(t.X) for t in parts) == 90 and sum(len(t.X_test) for t in parts) == 30
    assert all(t.n_classes == 3 and t.shape == (4, 5) for t in parts)


def test_groups_order_and_cap(easy_data):
    parts = tasks.class_incremental(easy_data, groups=1, order=[2, 0, 1])
    assert [set(t.y) for t in parts] == [{2}, {0}, {1}]
    parts = tasks.class_incremental(easy_data, groups=[[1], [2, 0]], cap=7)
    assert [set(t.y) for t in parts] == [{1}, {0, 2}]
    # The cap takes the first samples in the order of the data; X_all is not capped.
    np.testing.assert_array_equal(parts[1].X, easy_data.X[easy_data.y != 1][:7])
    assert len(parts[1].X_all) == 60 and len(parts[1].X_test) == 20
    # Classes may be left out.
    assert len(tasks.class_incremental(easy_data, groups=[[2]])) == 1


def test_domain_incremental(easy_data):
    parts = tasks.domain_incremental(easy_data, groups=[[2, 0], [1]])
    assert [t.n_classes for t in parts] == [2, 2]
    two = easy_data.y != 1
    np.testing.assert_array_equal(parts[0].y, (easy_data.y[two] == 0).astype(int))
    assert set(parts[1].y_test) == {0}
    whole = tasks.domain_incremental([easy_data, easy_data], cap=10)
    assert [len(t.X) for t in whole] == [10, 10]
    assert whole[1].n_classes == 3 and len(whole[1].X_all) == 90


def test_permuted_pixels(easy_data):
    parts = tasks.permuted_pixels(easy_data, n_tasks=3, random_state=1)
    np.testing.assert_array_equal(parts[0].X, easy_data.X)
    for part in parts[1:]:
        assert not np.array_equal(part.X, easy_data.X)
        np.testing.assert_array_equal(np.sort(part.X, axis=1), np.sort(easy_data.X, axis=1))
        np.testing.assert_array_equal(part.y, easy_data.y)
        # Training and test pixels move alike.
        order = np.argsort(part.X[0]), np.argsort(easy_data.X[0])
        np.testing.assert_array_equal(part.X_test[:, order[0]], easy_data.X_test[:, order[1]])
    assert not np.array_equal(parts[1].X, parts[2].X)


def test_permuted_pixels_are_capped(easy_data):
    """Each task is trained on the same first samples; X_all has them all."""
    for part in tasks.permuted_pixels(easy_data, n_tasks=3, cap=7):
        assert len(part.X) == len(part.y) == 7
        assert len(part.X_all) == len(part.y_all) == 90
        np.testing.assert_array_equal(part.X, part.X_all[:7])
        np.testing.assert_array_equal(np.sort(part.X, axis=1), np.sort(easy_data.X[:7], axis=1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(groups=0), ValueError, "groups.*0"),
        (dict(groups=[[0], [3]]), ValueError, "groups.*0 … 2.*3"),
        (dict(groups=[[0], [0]]), ValueError, "groups.*once"),
        (dict(groups=[[0], []]), ValueError, "groups.*at least one"),
        (dict(groups=2, order=[0, 1, 7]), ValueError, "order.*7"),
        (dict(groups=[[0]], order=[0]), ValueError, "order"),
        (dict(groups=2, order=[]), ValueError, "order.*at least one"),
        (dict(groups=[1, 2]), TypeError, "groups.*1"),
        (dict(groups=None), TypeError, "groups must be a list, got None"),
        (dict(groups=True), TypeError, "groups must be an integer, got True"),
        (dict(groups=1.5), TypeError, "groups must be .* got 1.5"),
        (dict(groups={"a": [0]}), TypeError, "groups must be a list, got {'a'"),
        (dict(groups=[[0], None]), TypeError, "groups must be .* got None"),
        (dict(groups=[[[0]], [1]]), TypeError, r"groups must be an integer, got \[0\]"),
        (dict(groups=np.array(2.0)), TypeError, "groups must be .* got array"),
        (dict(groups=[["0"]]), TypeError, "groups must be an integer, got '0'"),
        (dict(groups=2, order=1.5), TypeError, "order must be a list, got 1.5"),
        (dict(groups=[[0.9], [1]]), TypeError, "groups.*0.9"),
        (dict(cap=0), ValueError, "cap.*0"),
        (dict(cap=1.5), TypeError, "cap.*1.5"),
    ],
)
def test_bad_tasks(easy_data, arguments, error, message):
    with pytest.raises(error, match=message):
        tasks.class_incremental(easy_data, **arguments)


@pytest.mark.parametrize("data", [None, "digits", Dataset, np.zeros((3, 2)), {}])
@pytest.mark.parametrize("function", [tasks.class_incremental, tasks.permuted_pixels])
def test_no_dataset(function, data):
    with pytest.raises(TypeError, match=r"^data must be a Dataset, such as .*load gives, got "):
        function(data)


def test_no_datasets(easy_data):
    for data in (None, 3, "digits"):
        with pytest.raises(TypeError, match="^data must be a Dataset, or a list of them, got "):
            tasks.domain_incremental(data)
    with pytest.raises(TypeError, match=r"^data\[1\] must be a Dataset, such .* got None$"):
        tasks.domain_incremental([easy_data, None])
    assert len(tasks.domain_incremental(d for d in [easy_data, easy_data])) == 2


def test_more_permutations_than_memory_are_refused_at_once(easy_data):
    """By their bytes, also where a data set is tiny."""
    with pytest.raises(ValueError, match="^n_tasks=1000000000 takes 20,200 GB, and this machine"):
        tasks.permuted_pixels(easy_data, n_tasks=10**9)
    tiny = Dataset("tiny", np.eye(2, 1, dtype="f4"), [0, 1], np.eye(2, 1, dtype="f4"), [0, 1], 2)
    with pytest.raises(ValueError, match="^n_tasks=1000000000 takes 1,016 GB"):
        tasks.permuted_pixels(tiny, n_tasks=10**9)


def test_an_empty_task_is_an_error():
    X = np.zeros((4, 2))
    data = Dataset("few", X, [0, 0, 1, 1], X, [0, 0, 1, 1], n_classes=3)
    with pytest.raises(ValueError, match="'classes 2' of few is empty: it has no training"):
        tasks.class_incremental(data)
    data = Dataset("few", X, [0, 0, 1, 2], X, [0, 0, 1, 1], n_classes=3)
    with pytest.raises(ValueError, match="'classes 2' of few is empty: it has no test"):
        tasks.class_incremental(data)


def test_domains_must_be_alike(easy_data):
    with pytest.raises(
        ValueError, match="^data must hold at least one Dataset, got an empty list$"
    ):
        tasks.domain_incremental([])
    X = easy_data.X[:, :7]
    other = Dataset("other", X, easy_data.y, X, easy_data.y, 4)
    message = "features and classes: easy has 20 and 3, other has 7 and 4$"
    with pytest.raises(ValueError, match=message):
        tasks.domain_incremental([easy_data, other])
