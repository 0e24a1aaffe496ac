"""The package as it is installed: light to import, its public names, its types."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import srcnb


def test_import_is_light():
    script = """
import sys, srcnb
heavy = {"torch", "matplotlib", "pandas", "sklearn", "scipy", "numba", "llvmlite", "tqdm"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_public_names():
    assert sorted(srcnb.__all__) == sorted({*srcnb.__all__})
    for name in srcnb.__all__:
        assert getattr(srcnb, name) is not None
    assert (Path(srcnb.__file__).with_name("py.typed")).is_file()
    assert version("srcnb") == srcnb.__version__
