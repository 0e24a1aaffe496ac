"""Data of the user's own: files of any labels, and features of another network."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import features_file

from srcnb import datasets, own_data, tasks
from srcnb.own_data import load_file


@pytest.mark.parametrize("one_hot", [False, True])
def test_features(tmp_path, one_hot):
    data = own_data.load_features(features_file(tmp_path / "few.npz", one_hot=one_hot))
    assert (data.name, data.n_classes, data.X.dtype) == ("few", 10, np.float32)
    assert 3 < data.X.max() < 8  # as they are in the file
    np.testing.assert_allclose(data.X_test, 1.1 * data.X, rtol=1e-6)
    np.testing.assert_array_equal(data.y, np.repeat(np.arange(10), 2))
    np.testing.assert_array_equal(data.y, data.y_test)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(train_x=None), r"lacks \['train_x'\]"),
        (dict(train_x=-np.ones((20, 12))), "train_x of .* must not be negative, got -1"),
        (dict(train_x=np.zeros((20, 12))), "must hold a positive feature"),
        (dict(train_x=np.full((20, 12), np.nan)), "must be finite"),
        (dict(train_y=np.full(20, 7), test_y=np.full(20, 7)), "must start at 0 or 1, got 7"),
        (dict(train_y=np.full(20, 0.5)), "must be whole numbers, got 0.5"),
        (dict(train_y=np.ones((20, 10)), test_y=np.ones((20, 10))), "one-hot"),
        (dict(test_x=np.ones((20, 11))), "12 columns"),
        (dict(test_x=np.ones((0, 12))), r"test_x of .* must not be empty, got shape \(0, 12\)"),
        (dict(train_y=np.ones(5)), "train_y of .* a label for each of the 20 samples, got 5"),
        (dict(train_y=np.eye(10)[np.arange(20) % 10]), "both be numbers or both one-hot"),
        (dict(train_y=np.full(20, 1e12)), "train_y of .* labels up to its 20 samples, got 10+$"),
        (dict(train_y=np.arange(20) // 2 + 1, test_y=np.arange(20) // 2), "test_y of .* has 0"),
        (dict(train_y=np.arange(20) // 2, test_y=np.arange(20) // 2 + 1), "test_y of .* has 10"),
        (dict(train_y=np.full(20, "a", dtype=object)), r"train_y of .* objects.*astype\(float"),
        (dict(train_y=np.full(20, "a")), "train_y of .* must be an array of numbers"),
        (dict(test_x=np.ones((20, 12), complex)), "test_x of .* numbers, got dtype complex128"),
        (dict(test_x=np.ones(12)), r"test_x of .* must have 2 dimensions, got shape \(12,\)"),
        (dict(test_y=np.arange(20) // 2 + 1.5), "test_y of .* must be whole numbers, got 1.5"),
        (dict(test_y=np.full(20, 1e300)), "test_y of .* has 10+.*, which train_y has not"),
        (
            dict(train_y=np.eye(10)[np.arange(20) // 2], test_y=np.eye(11)[np.arange(20) // 2]),
            "test_y of .* must have 10 columns like train_y, got 11",
        ),
        (
            dict(train_y=np.eye(3)[np.arange(20) % 2], test_y=np.eye(3)[np.arange(20) % 3]),
            "test_y of .* has 2, which train_y has not",
        ),
    ],
)
def test_bad_features(tmp_path, change, message):
    path = features_file(tmp_path / "few.npz")
    arrays = {**dict(np.load(path)), **change}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises((ValueError, TypeError), match=message):
        own_data.load_features(path)


@pytest.mark.parametrize("first", [0, 1])
def test_labels_are_limited_by_the_training_part(tmp_path, first):
    """A small test part may have any label of a large training part."""
    path = tmp_path / "few.npz"
    train, test = np.arange(400) // 2 + first, np.full(50, 195 + first)
    np.savez(path, train_x=np.ones((400, 2)), train_y=train, test_x=np.ones((50, 2)), test_y=test)
    data = own_data.load_features(path)
    assert data.n_classes == 200 and set(data.y_test) == {195} and data.y.max() == 199


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("test", [range(5), range(1, 5), [-1, 0, 1, 2]])
def test_test_labels_are_among_those_of_the_training_part(tmp_path, first, test):
    """Of four classes, from 0 or from 1, where one more is at either end."""
    path = tmp_path / "few.npz"
    X, test = np.ones((40, 2)), np.resize(np.array(test) + first, 40)
    np.savez(path, train_x=X, train_y=np.arange(40) % 4 + first, test_x=X, test_y=test)
    strange = test[(test < first) | (test > 3 + first)][0]
    with pytest.raises(ValueError, match=f"test_y of .* has {strange}, which train_y has not"):
        own_data.load_features(path)


@pytest.mark.parametrize("value", [None, 3, b"few.npz", ["few.npz"]])
def test_no_path(value):
    for load in (own_data.load_features, load_file):
        with pytest.raises(TypeError, match="^path must be a string or a Path, got "):
            load(value)


def test_bad_features_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        own_data.load_features(tmp_path / "nowhere.npz")
    for name in ("torn.npz", "torn.mat", "few.csv"):
        (tmp_path / name).write_bytes(b"no features")
        with pytest.raises(ValueError, match=name):
            own_data.load_features(tmp_path / name)


def test_a_mat_file_is_converted_by_one_line(tmp_path):
    """As the docstring has it."""
    import scipy.io

    features_file(tmp_path / "few.mat", save=lambda path, **a: scipy.io.savemat(path, a))
    with pytest.raises(ValueError, match=r"must end with .npz, got .*few.mat; load_features says"):
        own_data.load_features(tmp_path / "few.mat")
    code = own_data.load_features.__doc__.split("``")[1].replace("\n    ", " ")
    code = code.replace('"f.npz"', "to").replace('"f.mat"', "source")
    exec(
        code,
        dict(np=np, scipy=scipy, to=tmp_path / "f.npz", source=tmp_path / "few.mat"),
    )
    assert own_data.load_features(tmp_path / "f.npz").n_classes == 10


def test_only_what_is_needed_is_read(tmp_path):
    """An array of objects beside, or a damaged one, does not matter."""
    path = features_file(tmp_path / "few.npz")
    arrays = dict(np.load(path))
    np.savez(path, notes=np.array([{"a": 1}], dtype=object), **arrays)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("junk.npy", b"no array")
    assert own_data.load_features(path).n_classes == 10


def save(tmp_path, **arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    return tmp_path / "mine.npz"


X = np.array([[0.0, 5], [4, 5], [2, 5], [1, 5]] * 3)
Y = np.array(["cat", "ant", "dog", "ant"] * 3)


def test_npz_with_a_test_part(tmp_path):
    X_test = np.array([[1.0, 5], [8, 6], [-3, 1]])
    path = save(tmp_path, X=X, y=Y, X_test=X_test, y_test=Y[:3])
    data = load_file(path)
    assert (data.name, data.n_classes, data.labels) == ("mine", 3, ("ant", "cat", "dog"))
    assert data.X.dtype == np.float32 and data.shape is None
    # By the training part's smallest and largest; what is beyond is cut off.
    np.testing.assert_allclose(data.X[:4], [[0, 0], [1, 0], [0.5, 0], [0.25, 0]])
    np.testing.assert_allclose(data.X_test, [[0.25, 0], [1, 1], [0, 0]])
    assert data.y[:4].tolist() == [1, 0, 2, 0] and data.y_test.tolist() == [1, 0, 2]
    names = [task.name for task in tasks.class_incremental(data)]
    assert names == ["classes ant, cat", "classes dog"]


@pytest.mark.parametrize("labels", [[-1, 7], [0.5, 2.0], [True, False], [10**12, 3]])
def test_any_labels(tmp_path, labels):
    y = np.array(labels * 8)
    data = load_file(save(tmp_path, X=np.arange(32.0).reshape(16, 2), y=y))
    assert data.labels == tuple(sorted(labels)) and data.n_classes == 2
    assert np.bincount(data.y).tolist() == [6, 6] and np.bincount(data.y_test).tolist() == [2, 2]


def test_the_split_is_of_the_random_state(tmp_path):
    path = save(tmp_path, X=np.arange(80.0).reshape(40, 2), y=np.arange(40) % 2)
    one, same, other = (load_file(path, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.X, same.X)
    assert not np.array_equal(one.X, other.X)


def test_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 5))
    data = load_file(save(tmp_path, X=images, y=np.arange(12) % 3))
    assert data.shape == (4, 5) and data.X.shape == (9, 20)


def test_pixels_are_scaled_alike(tmp_path):
    """Digits as images are those of scikit-learn by name, to the last bit."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    data = load_file(save(tmp_path, X=digits.images, y=digits.target))
    named = datasets.load("digits")
    for name in ("X", "y", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(data, name), getattr(named, name))


def test_csv(tmp_path):
    path = tmp_path / "mine.csv"
    pd.DataFrame({"a": X[:, 0], "kind": Y, "b": np.arange(12)}).to_csv(path, index=False)
    data = load_file(path, target="kind")
    assert data.labels == ("ant", "cat", "dog") and data.X.shape == (9, 2)
    assert data.X.min() == 0 and data.X.max() == 1
    with pytest.raises(ValueError, match="target must name the column .* one of .*'kind'"):
        load_file(path)
    with pytest.raises(ValueError, match="target must be a column .*; got 'sort'"):
        load_file(path, target="sort")


def test_csv_with_its_index(tmp_path):
    """The index is no feature: of sorted labels it would say which is which."""
    path = tmp_path / "mine.csv"
    pd.DataFrame({"a": X[:, 0], "kind": sorted(Y)}).to_csv(path)
    with pytest.raises(ValueError, match="column 'Unnamed: 0' of .*mine.csv .* index=False"):
        load_file(path, target="kind")


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "mine.csv").write_bytes("a,kind\n1,Käfer\n".encode("latin-1"))
    with pytest.raises(ValueError, match="mine.csv can't be read as a CSV file: 'utf-8' codec"):
        load_file(tmp_path / "mine.csv", target="kind")


def test_csv_with_numbers_beyond_int64(tmp_path):
    table = pd.DataFrame({"a": [10**30, 0, 1, 10**30] * 3, "y": [1, 0, 0, 1] * 3})
    table.to_csv(tmp_path / "mine.csv", index=False)
    data = load_file(tmp_path / "mine.csv", target="y")
    np.testing.assert_allclose(data.X[:, 0], data.y, atol=1e-9)


def test_the_random_state_is_a_seed(tmp_path):
    with pytest.raises(TypeError, match="random_state must be an integer, got 'x'"):
        load_file(save(tmp_path, X=X, y=Y), random_state="x")


def test_scaling_in_blocks_is_scaling_of_all(tmp_path):
    """To the last bit, with as many blocks as it takes; what is not finite is found in the last."""
    from sklearn.preprocessing import MinMaxScaler

    width = own_data.BLOCK // 3
    rng = np.random.default_rng(0)
    X, y = rng.normal(1e9, 1, (8, width)), np.array([0, 1] * 4)
    data = load_file(save(tmp_path, X=X, y=y, X_test=X[:4] + 1, y_test=y[:4]))
    scaler = MinMaxScaler(clip=True).fit(X)
    np.testing.assert_array_equal(data.X, scaler.transform(X).astype(np.float32))
    np.testing.assert_array_equal(data.X_test, scaler.transform(X[:4] + 1).astype(np.float32))
    X[7, 5] = np.nan
    with pytest.raises(ValueError, match=r"X of .* must be finite, got nan at index \(7, 5\)"):
        load_file(save(tmp_path, X=X, y=y))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (dict(X=X), "must hold X and y; it lacks y"),
        (dict(y=Y), "must hold X and y; it lacks X"),
        (dict(X=X, y=Y, X_test=X), "must hold both X_test and y_test, or neither"),
        (dict(X=X[:0], y=Y[:0]), r"X of .*mine.npz must not be empty, got shape \(0, 2\)"),
        (dict(X=X[:, 0], y=Y), r"X of .* must have 2 or 3 .images. dimensions, got"),
        (dict(X=np.where(X == 4, np.nan, X), y=Y), "X of .* must be finite, got nan"),
        (dict(X=X.astype(str), y=Y), "X of .* must be an array of numbers"),
        (dict(X=X, y=Y[:5]), r"y of .* must have shape \(12,\), got \(5,\)"),
        (dict(X=X, y=np.full(12, np.nan)), "y of .* must be finite"),
        (dict(X=X, y=np.arange(12)), "y of .* can't be split by classes: "),
        (dict(X=X, y=np.zeros(12)), "y of .* must have at least two classes, got only 0.0$"),
        (dict(X=X, y=np.full(12, "a")), "y of .* must have at least two classes, got only 'a'$"),
        (dict(X=X, y=Y, X_test=X, y_test=np.full(12, "eel")), "y_test of .* has 'eel', which y"),
        (dict(X=X, y=Y, X_test=X, y_test=np.arange(12)), "y_test of .* must hold strings like y"),
        (dict(X=X, y=np.arange(12), X_test=X, y_test=Y), "y_test of .* must hold numbers like y"),
        (dict(X=X, y=Y, X_test=X, y_test=Y[:3]), r"y_test of .* must have shape \(12,\), got"),
        (dict(X=X, y=Y, X_test=X + [0, np.inf], y_test=Y), r"X_test of .* got inf at index \(0, 1"),
        (
            dict(X=X.reshape(6, 2, 2), y=Y[:6], X_test=np.ones((6, 4)), y_test=Y[:6]),
            r"X_test of .* must have images of shape \(2, 2\), got \(4,\)",
        ),
        (
            dict(X=np.ones((6, 2, 3)), y=Y[:6], X_test=np.ones((6, 3, 2)), y_test=Y[:6]),
            r"X_test of .* must have images of shape \(2, 3\), got \(3, 2\)",
        ),
        (dict(X=X, y=Y, X_test=X[:, :1], y_test=Y), "X_test of .* must have 2 features, got 1"),
        (dict(X=X, y=Y.astype(object)), r"y of .* Python objects, .*\.astype\(str\)$"),
        (dict(X=X, y=np.zeros(12, "M8[D]")), "y of .* must hold numbers or strings, got dtype"),
    ],
)
def test_bad_npz(tmp_path, arrays, message):
    with pytest.raises((ValueError, TypeError), match=message):
        load_file(save(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "can't be read as a CSV file: No columns"),
        (" \n \n", "can't be read as a CSV file|column 'y' of|Unnamed"),
        ("a,y\n", "X of .* must not be empty"),
        ("a,y\n1,x\n,x\n", "column 'a' of .* must hold finite numbers, got nan in line 3: encode"),
        ("a,y\n1,x\n2,x\n-inf,x\n", "column 'a' of .* finite numbers, got -inf in line 4: "),
        ("a,y\n1,x\nb,z\n", "column 'a' of .* finite numbers, got 'b' in line 3: encode it"),
        (
            'a,b,y\n1,1,x\n\n2,2,"two\nlines"\n  \n3,"1,5",x\n4,1,z\n',
            "column 'b' of .* must hold finite numbers, got '1,5' in line 7: encode it, or leave",
        ),
        ("\ufeffa,y\n1,x\n2020-01-01,x\n", "column 'a' .* got '2020-01-01' in line 3: "),
        (
            ",a,y\n0,1,x\n1,2,z\n",
            "column 'Unnamed: 0' of .* has no name in the header: .* index=False does",
        ),
        ("Unnamed: 0,a,y\n0,1,x\n1,2,z\n", "column 'Unnamed: 0' of .* index=False"),
        ("a,y,a\n1,x,2\n", "mine.csv must have each column once, 'a' is there twice"),
        ("y,a,y\n1,2,3\n", "mine.csv must have each column once, 'y' is there twice"),
        ("a,y\n1,5,x\n2,5,z\n", "a name for each column, got 2 names and a row of 3 values"),
        ("a,y\n1,5,x\n2,z\n", "a name for each column, got 2 names and a row of 3 values"),
        ("a;b;y\n1;2;x\n", "target must be a column of .*, one of .*'a;b;y'"),
        ("a,y\n1,1\n2,inf\n", "y of .* must be finite, got inf"),
        ("a,y\n1,x\n2,\n", "column 'y' of .* has no label in line 3"),
        ('a,y\n1,"x\n', "can't be read as a CSV file"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_file(tmp_path / "mine.csv", target="y")


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        load_file(tmp_path / "nowhere.npz")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="must end with .npz or .csv, got .*mine.txt"):
        load_file(tmp_path / "mine.txt")
    (tmp_path / "mine.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="mine.npz can't be read as a .npz file"):
        load_file(tmp_path / "mine.npz")
    with pytest.raises(ValueError, match="target is for a CSV only, got 'y'"):
        load_file(save(tmp_path, X=X, y=Y), target="y")
