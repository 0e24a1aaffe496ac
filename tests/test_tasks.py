import gzip
import struct

import numpy as np
import pytest

from srcnb import datasets, tasks
from srcnb.tasks import Dataset


def test_class_incremental(toy_data):
    parts = tasks.class_incremental(toy_data, groups=2)
    assert [t.name for t in parts] == ["classes 0, 1", "classes 2"]
    assert set(parts[0].y) == set(parts[0].y_test) == {0, 1}
    assert set(parts[1].y_all) == {2}
    assert sum(len(t.X) for t in parts) == 90 and sum(len(t.X_test) for t in parts) == 30
    assert all(t.n_classes == 3 and t.shape == (4, 5) for t in parts)


def test_groups_order_and_cap(toy_data):
    parts = tasks.class_incremental(toy_data, groups=1, order=[2, 0, 1])
    assert [set(t.y) for t in parts] == [{2}, {0}, {1}]
    parts = tasks.class_incremental(toy_data, groups=[[1], [2, 0]], cap=7)
    assert [set(t.y) for t in parts] == [{1}, {0, 2}]
    # The cap takes the first samples in the order of the data; X_all is not capped.
    np.testing.assert_array_equal(parts[1].X, toy_data.X[toy_data.y != 1][:7])
    assert len(parts[1].X_all) == 60 and len(parts[1].X_test) == 20
    # Classes may be left out.
    assert len(tasks.class_incremental(toy_data, groups=[[2]])) == 1


def test_domain_incremental(toy_data):
    parts = tasks.domain_incremental(toy_data, groups=[[2, 0], [1]])
    assert [t.n_classes for t in parts] == [2, 2]
    two = toy_data.y != 1
    np.testing.assert_array_equal(parts[0].y, (toy_data.y[two] == 0).astype(int))
    assert set(parts[1].y_test) == {0}
    whole = tasks.domain_incremental([toy_data, toy_data], cap=10)
    assert [len(t.X) for t in whole] == [10, 10]
    assert whole[1].n_classes == 3 and len(whole[1].X_all) == 90


def test_permuted_pixels(toy_data):
    parts = tasks.permuted_pixels(toy_data, n_tasks=3, random_state=1)
    np.testing.assert_array_equal(parts[0].X, toy_data.X)
    for part in parts[1:]:
        assert not np.array_equal(part.X, toy_data.X)
        np.testing.assert_array_equal(np.sort(part.X, axis=1), np.sort(toy_data.X, axis=1))
        np.testing.assert_array_equal(part.y, toy_data.y)
        # Training and test pixels move alike.
        order = np.argsort(part.X[0]), np.argsort(toy_data.X[0])
        np.testing.assert_array_equal(part.X_test[:, order[0]], toy_data.X_test[:, order[1]])
    assert not np.array_equal(parts[1].X, parts[2].X)


def test_validation_split_never_sees_the_test_set(toy_data):
    split = toy_data.validation_split(0.2, random_state=3)
    assert len(split.X) == 72 and len(split.X_test) == 18
    assert set(np.bincount(split.y_test)) == {6}
    rows = {x.tobytes() for x in toy_data.X}
    assert {x.tobytes() for x in [*split.X, *split.X_test]} == rows


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
        (dict(groups=[[0.9], [1]]), TypeError, "groups.*0.9"),
        (dict(cap=0), ValueError, "cap.*0"),
        (dict(cap=1.5), TypeError, "cap.*1.5"),
    ],
)
def test_bad_tasks(toy_data, arguments, error, message):
    with pytest.raises(error, match=message):
        tasks.class_incremental(toy_data, **arguments)


def test_an_empty_task_is_an_error():
    X = np.zeros((4, 2))
    data = Dataset("few", X, [0, 0, 1, 1], X, [0, 0, 1, 1], n_classes=3)
    with pytest.raises(ValueError, match="'classes 2' of few is empty: it has no training"):
        tasks.class_incremental(data)
    data = Dataset("few", X, [0, 0, 1, 2], X, [0, 0, 1, 1], n_classes=3)
    with pytest.raises(ValueError, match="'classes 2' of few is empty: it has no test"):
        tasks.class_incremental(data)


def test_bad_datasets(toy_data):
    X, y = np.zeros((4, 2)), [0, 1, 2, 0]
    with pytest.raises(ValueError, match="y must hold labels in 0 … 1, got 2"):
        Dataset("bad", X, y, X, y, n_classes=2)
    with pytest.raises(ValueError, match=r"X_test must be .*, got nan"):
        Dataset("bad", X, y, X * np.nan, y, n_classes=3)
    with pytest.raises(ValueError, match=r"X must be rates in \[0, 1\], got 2"):
        Dataset("bad", X + 2, y, X, y, n_classes=3)
    with pytest.raises(ValueError, match="X_test must have 2 columns"):
        Dataset("bad", X, y, np.zeros((4, 3)), y, n_classes=3)
    with pytest.raises(ValueError, match="other has 20 and 2"):
        keep = toy_data.y < 2, toy_data.y_test < 2
        other = Dataset(
            "other",
            toy_data.X[keep[0]],
            toy_data.y[keep[0]],
            toy_data.X_test[keep[1]],
            toy_data.y_test[keep[1]],
            n_classes=2,
        )
        tasks.domain_incremental([toy_data, other])


# ------------------------------------------------------------------ data sets


def test_digits():
    data = datasets.load("digits")
    assert data.X.shape == (1347, 64) and data.X_test.shape == (450, 64)
    assert data.X.dtype == np.float32 and data.X.min() == 0 and data.X.max() == 1
    assert np.bincount(data.y_test).min() >= 43
    np.testing.assert_array_equal(data.X, datasets.load("digits").X)


def idx_bytes(array, type_code=8):
    array = np.asarray(array, np.uint8)
    header = bytes((0, 0, type_code, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path):
    """A tiny data set in the files and the format of MNIST."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    for prefix, n in (("train", 40), ("t10k", 20)):
        images = rng.integers(0, 256, (n, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(n) % 10)):
            (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return folder


def test_idx_folder(idx_folder, monkeypatch):
    data = datasets.load("fashion-mnist", idx_folder.parent)
    assert data.X.shape == (40, 784) and data.shape == (28, 28)
    raw = datasets.read_idx(idx_folder / "train-images-idx3-ubyte.gz", 3)
    np.testing.assert_array_equal(np.round(data.X[3] * 255), raw[3].ravel())
    np.testing.assert_array_equal(data.y_test, np.arange(20) % 10)
    monkeypatch.setenv("SRCNB_DATA", str(idx_folder.parent))
    np.testing.assert_array_equal(datasets.load("fashion-mnist").X, data.X)
    with pytest.raises(FileNotFoundError, match="mnist/train-images"):
        datasets.load("mnist")


def test_images_of_another_size(idx_folder):
    path = idx_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((40, 14, 14)))))
    with pytest.raises(ValueError, match=r"train-images.*28×28.*\(40, 14, 14\)"):
        datasets.load("fashion-mnist", idx_folder.parent)


GOOD = idx_bytes(np.zeros((4, 28, 28)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD, "is not a gzip file"),
        (gzip.compress(GOOD)[:-20], "is truncated"),
        (gzip.compress(GOOD[:-1]), "is truncated: 3135 bytes for shape"),
        (gzip.compress(GOOD[:10]), "is truncated: 10 bytes"),
        (gzip.compress(GOOD + b"x"), "is too long"),
        (gzip.compress(b""), "magic 00000803, got ''"),
        (gzip.compress(idx_bytes(np.zeros(4))), "magic 00000803, got '00000801'"),
        (gzip.compress(idx_bytes(np.zeros((4, 28, 28)), 13)), "got '00000d03'"),
        (gzip.compress(GOOD)[:15] + b"\xff" * 40, "gzip|truncated"),
        (b"", "magic|truncated"),
    ],
)
def test_bad_idx_files(idx_folder, content, message):
    path = idx_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load("fashion-mnist", idx_folder.parent)
    assert str(path) in str(caught.value)


def test_images_without_labels(idx_folder):
    path = idx_folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(19))))
    with pytest.raises(ValueError, match="one label per image, got 20 images and 19 labels"):
        datasets.load("fashion-mnist", idx_folder.parent)


def test_unknown_name():
    with pytest.raises(ValueError, match="name.*'cifar10'"):
        datasets.load("cifar10")


def test_openml(monkeypatch):
    """fetch_openml is not reachable everywhere: a stand-in returns what it returns."""
    import sklearn.datasets

    monkeypatch.delenv("SRCNB_DATA", raising=False)
    y = (np.arange(70_000) % 10).astype(str).astype(object)
    X = np.zeros((70_000, 784), np.int64)
    X[:, 0] = np.arange(70_000) % 256
    calls = []

    def stand_in(name, **options):
        calls.append((name, options))
        return X, y

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", stand_in)
    data = datasets.load("mnist")
    (name, options), *_ = calls
    assert name == "mnist_784" and options["return_X_y"] and not options["as_frame"]
    assert data.X.shape == (60_000, 784) and data.X_test.shape == (10_000, 784)
    assert data.X.dtype == np.float32
    assert data.X_test[0, 0] == np.float32(60_000 % 256) / np.float32(255)
    assert data.y[13] == 3

    def offline(name, **options):
        raise OSError("no network")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    with pytest.raises(ConnectionError, match="--data-dir or SRCNB_DATA"):
        datasets.load("fashion-mnist")


def test_real_mnist(mnist_dir):
    data = datasets.load("mnist", mnist_dir)
    assert data.X.shape == (60_000, 784) and data.X_test.shape == (10_000, 784)
    np.testing.assert_array_equal(data.y[:5], [5, 0, 4, 1, 9])
    assert data.X.mean() == pytest.approx(0.1307, abs=1e-4)
