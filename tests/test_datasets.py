"""Data sets: digits, IDX files, OpenML, files of features."""

import gzip
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from conftest import idx_bytes

from srcnb import datasets, tasks
from srcnb.datasets import Dataset


def test_validation_split_never_sees_the_test_set(easy_data):
    split = easy_data.validation_split(0.2, random_state=3)
    assert len(split.X) == 72 and len(split.X_test) == 18
    assert set(np.bincount(split.y_test)) == {6}
    rows = {x.tobytes() for x in easy_data.X}
    assert {x.tobytes() for x in [*split.X, *split.X_test]} == rows


def test_bad_datasets(easy_data):
    X, y = np.zeros((4, 2)), [0, 1, 2, 0]
    with pytest.raises(ValueError, match="y must hold labels in 0 … 1, got 2"):
        Dataset("bad", X, y, X, y, n_classes=2)
    with pytest.raises(ValueError, match=r"X_test must be .*, got nan"):
        Dataset("bad", X, y, X * np.nan, y, n_classes=3)
    with pytest.raises(ValueError, match="X_test must have 2 columns"):
        Dataset("bad", X, y, np.zeros((4, 3)), y, n_classes=3)
    with pytest.raises(ValueError, match="other has 20 and 2"):
        keep = easy_data.y < 2, easy_data.y_test < 2
        other = Dataset(
            "other",
            easy_data.X[keep[0]],
            easy_data.y[keep[0]],
            easy_data.X_test[keep[1]],
            easy_data.y_test[keep[1]],
            n_classes=2,
        )
        tasks.domain_incremental([easy_data, other])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(labels=("a",)), ValueError, "labels must name each of the 3 classes, got 1: 'a'$"),
        (dict(labels=[]), ValueError, "labels must name each of the 3 classes, got 0"),
        (dict(labels=range(4)), ValueError, "labels must name each .*, got 4: 0, 1, 2, 3$"),
        (dict(labels="abc"), TypeError, "labels must be a list, got 'abc'"),
        (dict(labels=3), TypeError, "labels must be a list, got 3"),
        (dict(n_classes=10**12), ValueError, "n_classes=1000000000000 takes 200,000 GB, and this"),
        (dict(X=np.zeros((90, 4, 5))), ValueError, r"X must have 2 dimension.*\(90, 4, 5\)"),
    ],
)
def test_datasets_that_do_not_fit(easy_data, change, error, message):
    with pytest.raises(error, match=message):
        replace(easy_data, **change)


def test_labels_are_a_tuple(easy_data):
    data = replace(easy_data, labels=["a", "b", "c"])
    assert data.labels == ("a", "b", "c")
    assert [t.name for t in tasks.class_incremental(data)] == ["classes a, b", "classes c"]


@pytest.mark.parametrize("value", [None, 3, b"x", ["x"]])
def test_no_path(value):
    with pytest.raises(TypeError, match="^path must be a string or a Path, got "):
        datasets.read_idx(value, 3)
    if value is not None:
        with pytest.raises(TypeError, match="^data_dir must be a string or a Path, got "):
            datasets.load("mnist", value)


def test_bad_arguments(easy_data, tmp_path):
    for value, error in (("3", TypeError), (0, ValueError), (256, ValueError)):
        with pytest.raises(error, match="^n_dims must be "):
            datasets.read_idx(tmp_path / "x.gz", value)
    for value, error in (("x", TypeError), (0, ValueError), (1.0, ValueError)):
        with pytest.raises(error, match="^fraction must be "):
            easy_data.validation_split(value)
    with pytest.raises(TypeError, match="^random_state must be an integer, got 0.5"):
        easy_data.validation_split(random_state=0.5)


def test_digits():
    data = datasets.load("digits")
    assert data.X.shape == (1347, 64) and data.X_test.shape == (450, 64)
    assert data.X.dtype == np.float32 and data.X.min() == 0 and data.X.max() == 1
    assert np.bincount(data.y_test).min() >= 43
    np.testing.assert_array_equal(data.X, datasets.load("digits").X)


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


@pytest.mark.slow
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
    with pytest.raises(ConnectionError, match="data_dir or SRCNB_DATA"):
        datasets.load("fashion-mnist")


@pytest.mark.slow
def test_real_mnist(mnist_dir):
    data = datasets.load("mnist", mnist_dir)
    assert data.X.shape == (60_000, 784) and data.X_test.shape == (10_000, 784)
    np.testing.assert_array_equal(data.y[:5], [5, 0, 4, 1, 9])
    assert data.X.mean() == pytest.approx(0.1307, abs=1e-4)


def test_raw_values_of_any_scale():
    X = np.array([[-5.0, 1e6], [3.0, 0.0], [0.5, 2.0]])
    data = Dataset("raw", X, [0, 1, 0], X.astype(int), [0, 1, 0], n_classes=2)
    np.testing.assert_array_equal(data.X, X)
    assert data.X.dtype == np.float64 and data.X_test.dtype == np.float32
    assert not hasattr(data, "scale")


def test_a_small_file_that_is_a_large_one_is_refused_at_once(tmp_path):
    """A few kilobytes of gzip can be gigabytes: no more is read than its header says."""
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 1, 0, 0, 0, 4)) + bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"labels.gz is too long: over 4 bytes for shape \(4,\)"):
        datasets.read_idx(path, 1)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_header_of_absurd_sizes_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    header = bytes((0, 0, 8, 3)) + 3 * bytes((0x80, 0, 0, 0))
    path.write_bytes(gzip.compress(header))
    with pytest.raises(
        ValueError, match=r"images.gz must have at most 1,073,741,824 bytes, .* \(2147483648"
    ):
        datasets.read_idx(path, 3)


def test_fingerprint(easy_data):
    """It changes with any sample, label, type or shape, and with nothing else."""
    one = easy_data.fingerprint()
    assert one == replace(easy_data, name="other").fingerprint() and len(one) == 64
    X, y = easy_data.X.copy(), easy_data.y.copy()
    X[3, 4] += 0.5
    y[0] = (y[0] + 1) % 3
    fewer = dict(X_test=easy_data.X_test[:-1], y_test=easy_data.y_test[:-1])
    changes = [dict(X=X), dict(y=y), fewer, dict(X=easy_data.X.astype(np.float32))]
    changes.append(dict(X=np.asfortranarray(X)))
    prints = [replace(easy_data, **change).fingerprint() for change in changes]
    assert len({one, *prints}) == 5 and prints[0] == prints[4]  # the order in memory is nothing
