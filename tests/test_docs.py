"""What the documents tell a reader to type works."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import tiny
from test_invariants import undocumented

from srcnb.experiments.runner import run_experiment
from srcnb.methods import METHODS

ROOT = Path(__file__).parent.parent


def python_blocks(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def examples():
    """What CONTRIBUTING's two examples define, by name: a method's file and an experiment's."""
    namespaces = []
    for code in python_blocks("CONTRIBUTING.md"):
        namespaces.append({"__name__": "example"})
        exec(code, namespaces[-1])
    return namespaces


def test_contributing_adds_a_method(examples, sequence, protocol):
    steps = zip(
        examples[0]["noisy"](sequence, protocol, 0),
        METHODS["src"](sequence, protocol, 0),
        strict=True,
    )
    for noisy, plain in steps:
        assert (noisy.stage, noisy.phase) == (plain.stage, plain.phase)
        assert (noisy.model.weights[0] != plain.model.weights[0]).any()


@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
def test_contributing_adds_an_experiment(examples, tmp_path):
    [made] = examples[1]["EXPERIMENTS"]
    assert made.protocol({"steps": 200}).schedule.n_steps(1) == 200
    small = replace(made, protocol=lambda condition: tiny(made.protocol(condition)))
    results = run_experiment(small, out=tmp_path, seeds=1)
    assert len(made.table(results)) == 2


def test_contributings_examples_are_as_files_must_be():
    """With docstrings and type hints."""
    for code in python_blocks("CONTRIBUTING.md"):
        tree = ast.parse(code)
        assert undocumented(tree, "example") == []
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                untyped = [a.arg for a in node.args.args if not a.annotation and a.arg != "self"]
                assert not untyped and node.returns, f"{node.name}: {untyped}"


def test_contributing_names_what_is_there():
    """The functions and lists of the tests in which a new file is entered."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)`\s+(?:in|of)\s+`([\w/]+\.py)`", text)
    assert {name for name, _ in named} == {
        *("METHODS", "ORDER", "test_which_methods_sleep", "EXPERIMENTS", "test_names")
    }
    for name, path in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(def )?{name}\b", code, re.MULTILINE), f"{name} in {path}"


@pytest.mark.slow
def test_the_readmes_example(capsys):
    """Five tasks: a sleep after the last leaves more of all ten digits than there was before."""
    [example] = python_blocks("README.md")
    exec(example, {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("classes 8, 9: ")
    before, after = map(int, re.findall(r"(\d+)%", lines[-1]))
    assert before < 50 < after
