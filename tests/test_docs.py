"""What the documents tell a reader to type works."""

import ast
import importlib
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("keep", [None, 0.3])
def test_contributing_adds_a_method(examples, sequence, protocol, keep):
    """Which is read as src is, also where the protocol brings outputs to one scale."""
    protocol = replace(protocol, homeostasis=keep)
    steps = zip(
        examples[0]["noisy"](sequence, protocol, 0),
        METHODS["src"](sequence, protocol, 0),
        strict=True,
    )
    for noisy, plain in steps:
        assert (noisy.stage, noisy.phase) == (plain.stage, plain.phase)
        assert type(noisy.model) is type(plain.model)
        nets = [getattr(model, "net", model) for model in (noisy.model, plain.model)]
        assert (nets[0].weights[0] != nets[1].weights[0]).any()


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
        *("METHODS", "KEEPS", "ORDER", "test_which_methods_sleep", "EXPERIMENTS", "test_names")
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


@pytest.mark.long
def test_the_example_step_by_step(capsys):
    """Five tasks of which most is kept, with even outputs more than with the network's own."""
    [example] = python_blocks("docs/python.md")
    exec(example, {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("classes 8, 9: ")
    own, even = map(int, re.findall(r"(\d+)%", lines[-1]))
    assert 40 < own < even and even > 75


@pytest.mark.slow
def test_the_guests_examples(capsys):
    """Each by itself; in both sleeps the old classes come back, and new ones lose less than 15."""
    for code in python_blocks("docs/GUESTS.md"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", srcnb.RateWarning)
            exec(code, {"__name__": "example"})
    lines = capsys.readouterr().out.splitlines()
    watched = re.fullmatch(r"(\d+) of 18 looks, (\d+)% of all ten digits", lines.pop(2))
    assert int(watched[1]) <= 18 and int(watched[2]) > 70
    shares = [[*map(int, re.findall(r"(\d+)%", line))] for line in lines]
    assert len(shares) == 5
    for before, slept in (shares[:2], shares[2:4]):
        assert slept[0] > before[0] + 40 and slept[1] > before[1] - 15


def test_the_guests_examples_with_pytorch():
    pytest.importorskip("torch")
    namespace = {"srcnb": srcnb}
    text = (ROOT / "docs/GUESTS.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    for code in blocks:
        exec(code, namespace)
    assert len(blocks) == 2 and namespace["features"].min() == 0


def test_the_guests_tables_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import bench_guests

    text = (ROOT / "docs/GUESTS.md").read_text(encoding="utf-8")
    for name, made in (
        ("bench_guests", bench_guests.table),
        ("choose_guests", bench_guests.choice),
    ):
        assert to_markdown(made(pd.read_csv(ROOT / f"benchmarks/results/{name}.csv"))) in text


def test_the_example_of_streams(capsys):
    """With the estimator, and step by step; then a sleep that is stopped, logging not set up."""
    estimator, example, watched = python_blocks("docs/STREAMS.md")
    namespace = {"__name__": "example"}
    exec(estimator.replace("range(5)", "range(2)"), namespace)
    sleep, homeostasis, neither = (
        float(mean) for mean in re.findall(r"([\d.]+) ±", capsys.readouterr().out)
    )
    assert min(sleep, homeostasis) > 70 > neither
    exec(example, namespace)
    assert re.findall(r"(\d+)%", capsys.readouterr().out)[0] == "33"
    even, X_test, y_test = (namespace[name] for name in ("even", "X_test", "y_test"))
    assert (even.predict(namespace["scale"].transform(X_test)) == y_test).mean() > 0.7
    exec(re.sub(r"logging\.basicConfig.*", "", watched), namespace)
    assert namespace["result"].stopped.startswith("stopped at step ")
    assert namespace["result"].stopped in capsys.readouterr().out


@pytest.fixture
def own_stream(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/examples")
    return importlib.import_module("own_stream")


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "n_rows"), [([], 1), (["--encodings"], 3)])
def test_the_script_of_streams(own_stream, monkeypatch, capsys, arguments, n_rows):
    """On its smallest stream."""
    wine = "new classes: wine"
    monkeypatch.setattr(own_stream, "STREAMS", {wine: own_stream.STREAMS[wine]})
    monkeypatch.setattr(own_stream, "ENCODED", (wine,))
    monkeypatch.setattr("sys.argv", ["own_stream.py", "--seeds", "1", *arguments])
    own_stream.main()
    header, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert len(rows) == n_rows and all(row.startswith(f"| {wine} |") for row in rows)
    assert header in (ROOT / "docs/STREAMS.md").read_text(encoding="utf-8")


def test_streams_are_what_the_page_says(own_stream):
    """Their tasks, that nothing is tested on what was trained on, and all that was chosen."""
    text = (ROOT / "docs/STREAMS.md").read_text(encoding="utf-8")
    n_tasks = {name: len(own_stream.tasks_of(name, 0)) for name in own_stream.STREAMS}
    assert [*n_tasks.values()] == [3, 5, 3, 4, 1]
    for name in own_stream.STREAMS:
        assert f"\n| {name} |" in text
        whole, part = (own_stream.tasks_of(name, 1, held_out=h) for h in (False, True))
        assert sum(len(t.X) for t in part) < sum(len(t.X) for t in whole)
        for split, task in zip(part, whole, strict=True):
            rows, held_out = ({x.tobytes() for x in X} for X in (split.X, split.X_test))
            assert held_out <= {x.tobytes() for x in task.X} and not rows & held_out
    for rate, keep in own_stream.CHOSEN.values():
        assert rate in own_stream.LEARNING_RATES and keep in own_stream.KEEPS
    with_all = {(name, "halves", b) for name in own_stream.STREAMS for b in own_stream.BETWEEN}
    assert {*own_stream.CHOSEN} == with_all | {
        (name, e, b)
        for name in own_stream.ENCODED
        for e in own_stream.ENCODINGS
        for b in (None, "sleep")
    }


def test_the_encodings_of_streams(own_stream):
    X = np.random.default_rng(0).normal(5, 2, (50, 3))
    halves = own_stream.Halves(X)
    np.testing.assert_allclose(halves.transform([[5, 5, 500]])[:, [2, 5]], [[1, 0]])
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    above, below = np.hsplit(halves.transform(X), 2)
    np.testing.assert_allclose(above - below, np.clip(z / 3, -1, 1), atol=1e-12)
    np.testing.assert_allclose(own_stream.Standard(X).transform(X), z)


def test_choosing_looks_at_training_data_only(own_stream, monkeypatch):
    asked = []
    tasks_of = own_stream.tasks_of
    monkeypatch.setattr(
        own_stream, "tasks_of", lambda *args, **how: asked.append(how) or tasks_of(*args, **how)
    )
    monkeypatch.setattr(
        own_stream,
        "scores",
        lambda tasks, between, rate, seed, encoding: {
            None: 99 if rate == 0.05 else 50,
            **{k: 60 + k for k in own_stream.KEEPS},
        },
    )
    assert own_stream.choose("new classes: wine", "halves", "sleep", range(2)) == (0.05, 1.0)
    assert asked == [{"held_out": True}] * 4


@pytest.mark.long
def test_the_readmes_estimator(capsys):
    """A score, printed, far above the two digits in ten that training without sleep keeps."""
    [example] = python_blocks("README.md")
    exec(example, {"__name__": "example"})
    [score] = re.findall(r"^(\d+)% of all ten digits$", capsys.readouterr().out, re.MULTILINE)
    assert int(score) > 70


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


@pytest.mark.slow
def test_the_estimators_example_of_a_sleep_that_is_watched(capsys):
    """Far above the two digits in ten that are kept without sleep and even outputs."""
    _, example = python_blocks("docs/ESTIMATOR.md")
    exec(example, {"__name__": "example"})
    [score] = re.findall(r"^5 sleeps, (\d+)% of all ten digits$", capsys.readouterr().out)
    assert int(score) > 60


def best_controls():
    """{(data set, network): (its best control, the sleep over it)}, where all were run."""
    found = {}
    for name, dataset in RESULTS.items():
        results = pd.read_csv(ROOT / f"docs/results/{name}.csv", dtype={"head": str})
        for network, rows in results.groupby("network"):
            heads = rows.pivot(index="seed", columns=["method", "head"], values="accuracy")
            if "lazy" in heads:  # not in networks of scikit-learn
                controls = {c: any_network.best_share(heads[c]) for c in any_network.CONTROLS}
                best = max(controls, key=lambda c: controls[c].mean())
                gain = (heads["src", "0.3"] - controls[best]).mean()
                found[dataset, network] = (any_network.CONTROLS[best], gain)
    return found


def test_what_the_readme_says_it_is_worth_is_what_the_results_say():
    """Beside the best control of each network: the smallest and the largest of MNIST, and so on."""
    gains = {key: gain for key, (_, gain) in best_controls().items()}
    single = {key: gains.pop(key) for key in [*gains] if "one class" in key[1]}
    on_mnist = [g for key, g in gains.items() if key[0] == "mnist" and "4000" not in key[1]]
    others = [g for key, g in gains.items() if key[0] != "mnist" or "4000" in key[1]]
    assert len(on_mnist) == 6 and len(others) == 8
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.search(
        r"(\d+) to (\d+) points on MNIST up to 1200 hidden units, and with one class a task (\d+)"
        r" there and (\d+)\s+on digits; else on .* (\d+) points at most",
        readme,
    )
    known = [min(on_mnist), max(on_mnist), *sorted(single.values(), reverse=True), max(others)]
    assert [int(n) for n in said.groups()] == [round(gain) for gain in known]


def test_the_page_of_what_sleep_can_do_has_rows_of_the_results():
    """Its table: without sleep, the best control, the sleep, and the difference to that control."""
    text = (ROOT / "docs/what_sleep_can_do.md").read_text(encoding="utf-8")
    known, best_of = set(), best_controls()
    for name, dataset in RESULTS.items():
        for row in rows_of(name).to_dict("records"):
            best, _ = best_of.get((dataset, row["network"]), (None, 0))
            if best == "less excitable":
                columns = ["network", "sequential", best, "src", f"src over {best}"]
                known.add(f"| {dataset}, {' | '.join(row[column] for column in columns)} |")
    shown = re.findall(r"^\| (?:digits|mnist|fashion-mnist), .*$", text, re.MULTILINE)
    assert len(shown) == 6 and {*shown} <= known


def test_the_estimators_tables_are_those_of_its_benchmark():
    tables = (ROOT / "benchmarks/results/bench_estimator.md").read_text(encoding="utf-8")
    assert tables.count("### ") == 6
    assert tables.strip() in (ROOT / "docs/ESTIMATOR.md").read_text(encoding="utf-8")


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
