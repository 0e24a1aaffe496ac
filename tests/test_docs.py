"""What the documents tell a reader to type works."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import tiny

from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.runner import run_experiment
from srcnb.methods import METHODS

ROOT = Path(__file__).parent.parent


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def registries(monkeypatch):
    """What an example adds to them is gone after the test."""
    for registry in (METHODS, EXPERIMENTS):
        for name in [*registry]:
            monkeypatch.setitem(registry, name, registry[name])
    yield
    for registry, added in ((METHODS, "noisy+src"), (EXPERIMENTS, "steps")):
        registry.pop(added, None)


def test_contributing_adds_a_method(registries, sequence, protocol):
    method, _ = python_blocks("CONTRIBUTING.md")
    exec(method, {"__name__": "example"})
    steps = zip(
        METHODS["noisy+src"](sequence, protocol, 0),
        METHODS["src"](sequence, protocol, 0),
        strict=True,
    )
    for noisy, plain in steps:
        assert (noisy.stage, noisy.phase) == (plain.stage, plain.phase)
        assert (noisy.model.weights[0] != plain.model.weights[0]).any()


@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
def test_contributing_adds_an_experiment(registries, tmp_path):
    _, experiment = python_blocks("CONTRIBUTING.md")
    exec(experiment, {"__name__": "example"})
    made = EXPERIMENTS["steps"]
    assert made.protocol({"steps": 200}).schedule.n_steps(1) == 200
    small = replace(made, protocol=lambda condition: tiny(made.protocol(condition)))
    results = run_experiment(small, out=tmp_path, seeds=1)
    assert len(made.table(results)) == 2


@pytest.mark.slow
def test_the_readmes_example(capsys):
    """Five tasks: a sleep after the last leaves more of all ten digits than there was before."""
    [example] = python_blocks("README.md")
    exec(example, {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("classes 8, 9: ")
    before, after = map(int, re.findall(r"(\d+)%", lines[-1]))
    assert before < 50 < after
