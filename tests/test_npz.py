"""Arrays of .npz files are checked before they are read."""

import io
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from srcnb import npz, own_data


def header(shape, dtype="|u1", version=1):
    """The first bytes of an .npy file."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + len(text).to_bytes(2, "little") + text


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array))
    return file.getvalue()


def archive(path, sizes=None, **members):
    """A zip of these bytes, whose directory may say other sizes."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
        for name, size in (sizes or {}).items():
            file.getinfo(f"{name}.npy").file_size = size
    return path


def test_headers_and_arrays(tmp_path):
    X = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.savez_compressed(tmp_path / "a.npz", X=X, y=["a", "bc", "d"], n=np.int8(3))
    found = npz.read_headers(tmp_path / "a.npz", ("X", "z", "n", "y"))
    assert {name: (h.shape, h.dtype.str) for name, h in found.items()} == {
        "X": ((3, 4), "<f8"),
        "n": ((), "|i1"),
        "y": ((3,), "<U2"),
    }
    arrays = npz.read_arrays(tmp_path / "a.npz", ("X", "y"))
    assert list(arrays) == ["X", "y"] and arrays["y"].tolist() == ["a", "bc", "d"]
    np.testing.assert_array_equal(arrays["X"], X)


def test_a_header_in_the_format_of_long_names(tmp_path):
    """Version 2.0 has four bytes for its length, later ones are for names of fields."""
    for version in ((2, 0), (3, 0)):
        file = io.BytesIO()
        np.lib.format.write_array(file, np.arange(3), version=version)
        archive(tmp_path / f"{version[0]}.npz", X=file.getvalue())
    assert npz.read_headers(tmp_path / "2.npz", "X")["X"].shape == (3,)
    with pytest.raises(ValueError, match=r"X of .*3.npz can't be read: .* version \(3, 0\)"):
        npz.read_headers(tmp_path / "3.npz", "X")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "X of .*a.npz can't be read: EOF"),
        (b"no array at all", "X of .*a.npz can't be read: "),
        (header((2**31, 2**31)) + b"12", r"says shape \(2147483648, 2147483648\) of uint8, 4,611,"),
        (header((2**32, 2**32)), "18,446,744,073,709,551,616 bytes, and there are 0$"),
        (header((3,)) + b"12", "3 bytes, and there are 2$"),
        (header((3,)) + b"1234", "3 bytes, and there are 4$"),
        (header((-1, -2)) + b"12", r"says shape \(-1, -2\)"),
        (header(("a",)), "X of .*a.npz can't be read: "),
    ],
)
def test_damaged_headers(tmp_path, content, message):
    path = archive(tmp_path / "a.npz", X=content)
    with pytest.raises(ValueError, match=message):
        npz.read_headers(path, ("X",))


def test_a_damaged_array(tmp_path):
    """Its header fits, and its bytes are others than the directory of the zip says."""
    path = archive(tmp_path / "a.npz", X=npy(np.arange(50_000) % 250))
    content = path.read_bytes()
    path.write_bytes(content[:400_000] + bytes(50) + content[400_050:])
    assert npz.read_headers(path, ("X",))["X"].shape == (50_000,)
    with pytest.raises(ValueError, match="X of .*a.npz can't be read: Bad CRC-32"):
        npz.read_arrays(path, ("X",))


def test_only_members_whose_names_end_with_npy(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("X", npy(np.zeros(3)))
    assert npz.read_headers(tmp_path / "a.npz", ("X",)) == {}


def test_objects_are_refused_and_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.array([{}], dtype=object))
    found = npz.read_headers(tmp_path / "a.npz", ("X",))["X"]
    with pytest.raises(
        ValueError, match=r"^X holds Python objects, .* save it by .astype\(float\)"
    ):
        npz.check_numbers("X", found, (1,))
    with pytest.raises(ValueError, match="X of .*a.npz can't be read: Object arrays"):
        npz.read_arrays(tmp_path / "a.npz", ("X",))


@pytest.mark.parametrize(
    ("shape", "dtype", "n_dims", "message"),
    [
        ((3,), "f4", (2,), r"^X must have 2 dimensions, got shape \(3,\)$"),
        ((3,), "f4", (2, 3), r"^X must have 2 or 3 \(images\) dimensions, got shape \(3,\)$"),
        ((0, 4), "f4", (2,), r"^X must not be empty, got shape \(0, 4\)$"),
        ((3, 4), "U1", (2,), "^X must be an array of numbers, got dtype <U1$"),
    ],
)
def test_headers_of_other_arrays_are_refused(shape, dtype, n_dims, message):
    with pytest.raises(ValueError, match=message):
        npz.check_numbers("X", npz.Header(shape, np.dtype(dtype)), n_dims)


@pytest.mark.parametrize("name", ["load_file", "load_features"])
def test_a_small_file_that_is_a_large_one_is_refused_by_its_header(tmp_path, name):
    """By the shape of the labels, and by what all of it would take; none of it is read."""
    names = ("X", "y") if name == "load_file" else own_data.FEATURE_ARRAYS
    x_names, y_names = ([n for n in names if n[-1] in letter] for letter in ("Xx", "y"))
    path = tmp_path / "mine.npz"
    large = {n: np.zeros((20_000, 1000), np.uint8) for n in x_names}
    np.savez_compressed(path, **large, **{n: np.zeros(3, int) for n in y_names})
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    message = re.escape(f"{y_names[0]} of {path} must have ")
    with pytest.raises(ValueError, match=f"{message}.* got .*3"):
        getattr(own_data, name)(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    first = header((1000, 10**10))
    few = npy(np.arange(1000) % 2)
    archive(
        path,
        {n: len(first) + 10**13 for n in x_names},
        **{n: first for n in x_names},
        **{n: few for n in y_names},
    )
    with pytest.raises(ValueError, match="reading .*mine.npz takes [1-9][0-9]*,000 GB, and this"):
        getattr(own_data, name)(path)


@pytest.mark.slow
def test_bytes_become_float32_and_not_float64(tmp_path):
    n, width = 20_000, 1000
    X = np.zeros((n, width), np.uint8)
    X[:, 0] = np.arange(n) % 256
    np.savez_compressed(tmp_path / "mine.npz", X=X, y=np.arange(n) % 2)
    tracemalloc.start()
    data = own_data.load_file(tmp_path / "mine.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As read, as float32, and masks of what is finite; and a block of float64.
    assert peak < (1 + 4 + 2) * n * width + 50_000_000
    assert data.X.max() == 1 and len(np.unique(data.X)) == 256
