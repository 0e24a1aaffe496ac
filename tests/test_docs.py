"""What the documents tell a reader to type works."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import tiny
from test_invariants import undocumented

import srcnb
from srcnb import presets
from srcnb.experiments import EXPERIMENTS, any_network
from srcnb.experiments.figures import conclusions
from srcnb.experiments.runner import run_experiment
from srcnb.experiments.tables import to_markdown
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
        # The package may be installed elsewhere than its tests are.
        root = Path(srcnb.__file__).parent.parent if path.startswith("srcnb/") else ROOT
        code = (root / path).read_text(encoding="utf-8")
        assert re.search(rf"^(def )?{name}\b", code, re.MULTILINE), f"{name} in {path}"


def table_below(heading, n_columns):
    """{first cell: the other cells} of the tables in a section of translation.md."""
    text = (ROOT / "docs/translation.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    bodies = re.findall(r"^\|[-|]+\|\n((?:\|.*\n)+)", section + "\n", re.MULTILINE)
    rows = [line.strip("| ").split(" | ") for body in bodies for line in body.splitlines()]
    return {row[0].strip("`"): row[1:] for row in rows if len(row) == n_columns}


def numbers(text):
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]


def test_translation_has_the_constants_of_the_sleeps():
    paper = table_below("Constants of the sleeps", 7)
    assert [*paper] == [*presets.PAPER]
    for name, cells in paper.items():
        c = presets.PAPER[name]
        values = [[c.max_rate], [c.inc], [c.dec], [*c.beta], [c.alpha_scale]]
        assert [numbers(cell) for cell in cells[:-1]] == values, name
        for experiment in re.findall("`(.*?)`", cells[-1]):
            protocols = map(EXPERIMENTS[experiment].protocol, EXPERIMENTS[experiment].conditions)
            assert name == "icarl-50" or c in [p.schedule.constants for p in protocols]
    c = presets.REPLICA
    values = [[c.max_rate], [c.inc], [c.dec], [*c.beta], [*c.alpha]]
    [cells] = table_below("Constants of the sleeps", 6).values()
    assert [numbers(cell) for cell in cells] == values


@pytest.mark.parametrize(("column", "preset"), [(0, presets.paper()), (1, presets.replica())])
def test_translation_has_the_constants_of_the_protocols(column, preset):
    table = table_below("Constants of the protocols", 3)
    schedule = preset.schedule
    epochs = preset.training["epochs"]
    assert {name: numbers(cells[column]) for name, cells in table.items()} == {
        "hidden": [*preset.hidden],
        "dropout": [preset.network["dropout"]],
        "cap": [preset.cap],
        **{name: [preset.training[name]] for name in ("epochs", "batch_size")},
        **{name: [preset.training[name]] for name in ("learning_rate", "momentum")},
        "steps of the sleep after task k = 0, 1, …": [schedule.first_steps, schedule.more_steps],
        "parallel_epochs": [preset.parallel_epochs or epochs],
    }


def test_translation_has_the_protocols_of_the_experiments():
    table = table_below("Constants of the protocols", 6)
    assert len(table) == 7
    for name, (hidden, epochs, rate, steps, _) in table.items():
        protocols = [EXPERIMENTS[name].protocol(c) for c in EXPERIMENTS[name].conditions]
        assert {tuple(numbers(hidden))} == {p.hidden for p in protocols}
        training = [p.training_at(stage) for p in protocols for stage in (1, 2)]
        schedules = [p.schedule for p in protocols]
        # "2" names the second task.
        numbered = [re.sub(r"task 2( of `src`)?", "", cell) for cell in (epochs, rate)]
        assert set(numbers(numbered[0])) == {t["epochs"] for t in training}, name
        assert set(numbers(numbered[1])) == {t["learning_rate"] for t in training}, name
        if "·k" in steps:
            lengths = {(s.first_steps, s.more_steps) for s in schedules}
            assert {tuple(numbers(steps))} == lengths, name
        else:
            # Little training is one task, and some sleep only at the end.
            stages = (1,) if name == "little-training" or not schedules[0].every else (1, 2)
            assert set(numbers(steps)) == {s.n_steps(k) for s in schedules for k in stages}, name


@pytest.mark.slow
def test_the_readmes_example(capsys):
    """Five tasks of which most is kept, with even outputs more than with the network's own."""
    [example] = python_blocks("README.md")
    exec(example, {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("classes 8, 9: ")
    own, even = map(int, re.findall(r"(\d+)%", lines[-1]))
    assert 40 < own < even and even > 75


# File of results → the data set, as the README calls it.
RESULTS = {f"any-network-{name}": name for name in any_network.OF_SET} | {"wide-network": "mnist"}


def rows_of(name):
    """The results of a file as their table."""
    results = pd.read_csv(ROOT / f"docs/results/{name}.csv", dtype={"head": str})
    return any_network.table(results)


@pytest.mark.parametrize("name", RESULTS)
def test_tables_of_any_network_are_those_of_the_results(name):
    """In the file beside it, and in ANY_NETWORK.md."""
    text = to_markdown(rows_of(name))
    assert (ROOT / f"docs/results/{name}.md").read_text(encoding="utf-8") == text
    assert text in (ROOT / "docs/ANY_NETWORK.md").read_text(encoding="utf-8")


def test_the_readmes_rows_of_any_network_are_those_of_the_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = [
        f"| {dataset}, {' | '.join(row)} |"
        for name, dataset in RESULTS.items()
        for row in rows_of(name).drop(columns="seeds").to_numpy()
    ]
    shown = re.findall(r"^\| (?:digits|mnist|fashion-mnist), .*$", readme, re.MULTILINE)
    assert len(shown) == 6 and {*shown} <= {*known}


def test_the_conclusions_of_pictures_are_those_of_its_tables():
    """In the file beside the pictures, and in the page, from the numbers of each seed and sleep."""
    folder = ROOT / "docs/pictures"
    ranks, changes, known = (
        pd.read_csv(folder / f"{name}.csv")
        for name in ("stable-ranks", "hidden-differences", "conclusions")
    )
    found = conclusions(ranks, changes)
    pd.testing.assert_frame_equal(found, known)
    assert (found["seeds"] == 5).all()
    page = (ROOT / "docs/pictures.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| .*? \| ([-+]\d.*) \|$", page, re.MULTILINE)
    assert len(shown) == found["statement"].nunique()
    of_statements = [rows for _, rows in found.groupby("statement", sort=False)]
    for line, rows in zip(shown, of_statements, strict=True):
        factor, form = (1, "+.3f") if "difference" in rows["statement"].iloc[0] else (100, "+.1f")
        cells = [
            [format(factor * x, form) for x in row]
            for row in rows[["mean", "low", "high"]].to_numpy()
        ]
        assert line == " | ".join(f"{mean} [{low}, {high}]" for mean, low, high in cells)


def test_pictures_that_are_shown_are_there():
    for name in ("README.md", "docs/pictures.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        shown = re.findall(r"!\[[^\]]+\]\((.*?)\)|<img src=\"(.*?)\"", text)
        for path in ("".join(paths) for paths in shown):
            assert (ROOT / name).parent.joinpath(path).is_file(), path
        assert shown
