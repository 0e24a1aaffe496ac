"""The tutorial's chapters run, rebuild the algorithm in few lines, and know right from wrong."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from conftest import random_config, random_network

import srcnb

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "docs/tutorial").glob("plot_*.py"))
by_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
# The functions that rebuild the algorithm: the network, the spikes, the rule, the sleep.
MECHANISM = (
    *("forward", "gradients", "fit"),
    *("draw_spikes", "impulse", "integrate", "fire", "reset"),
    *("additive", "logistic", "negative", "plasticity"),
    *("step", "sleep"),
)
# What later chapters repeat, so that each runs by itself; "unchanged", as they say.
REPEATED = (*MECHANISM, "learn_two_tasks")
# Of a reader, a minute; and the minutes for looking at a picture.
WORDS, LINES, PICTURE = 200, 12, 0.5
# A rule that is not that of exercise 1 of chapter 6; class means of chapter 7.
RULE = "check_1(lambda W, s_pre, s_post, inc, dec, g: W.__iadd__({}))"
MEANS = "np.array([t.X[t.y == c].mean(axis=0) for t in sequence for c in np.unique(t.y)])"
# By chapter: answers that the exercises must refuse.
WRONG = {
    1: ["check_1(lambda a: 1 - a)", "check_2(lambda X, y, W, l2: gradients(X, y, W))"],
    2: [
        "check_1(lambda A: (A.max(axis=0) - A[-1])[:-1].mean())",
        "check_1(lambda A: np.mean(A[0] - A[-1]))",
        "check_2(0.5)",
        "check_2(1.4)",
        "check_2(6.0)",
    ],
    3: [
        *(f"check_1(lambda b, alpha, k_0: {c})" for c in ("b", "k_0 * b", "alpha * b")),
        *(f"check_1(lambda b, alpha, k_0: {c} * alpha * k_0 * b)" for c in (0.8, 0.9, 1.1, 2)),
        "check_1(lambda b, alpha, k_0: alpha * k_0 * abs(b))",
        "check_2(2.0)",
        "check_2(np.inf)",
    ],
    4: [
        "check_1(lambda I, inhibition: I - inhibition * I.sum())",
        "check_1(lambda I, inhibition: I - I.mean())",
        "check_2([0.0, 1.0, -0.25], [False, True, False])",
        "check_2([0.03125, 1.0, -0.25], [True, True, False])",
    ],
    5: [
        *("check_1(0.001)", "check_1(0.002)", "check_1(0.04)", "check_2(additive)"),
        "check_2(negative)",
        "check_2(lambda w: 1 - (w / 0.1) ** 2)",  # negative beyond 0.1
        "check_2(lambda w: np.where(abs(w) < 0.099, 1.0, 0.0))",  # jumps
        "check_2(lambda w: np.exp(-((w / 0.05) ** 2)))",  # no bound
    ],
    6: [
        "check_1(plasticity)",
        "check_1(lambda W, s_pre, s_post, inc, dec, g: None)",
        RULE.format("np.outer(s_post, np.where(s_pre, 0, -dec)) * g(W)"),  # LTD
        RULE.format("np.outer(s_post, np.where(s_pre, 0, inc)) * g(W)"),
        RULE.format("np.outer(s_post, np.where(s_pre, inc, 0))"),  # no gate
        RULE.format("np.outer(np.ones(4), np.where(s_pre, inc, 0)) * g(W)"),  # any post neuron
        "check_2(lambda new: np.full(100, 0.28))",
        "check_2(lambda new: np.abs(new[0] - new[1]) * 0.25)",
    ],
    7: [
        "check_1(lambda sequence, X_test: np.zeros(len(X_test)))",
        f"check_1(lambda sequence, X: (X @ {MEANS}.T).argmax(axis=1))",
        f"check_1(lambda sequence, X: np.argmax(X @ (M := {MEANS}).T / "
        "np.linalg.norm(M, axis=1), axis=1))",
        "check_2(lambda W, a: W - 0.005 * np.median(abs(W)))",
    ],
    8: [
        "check_1(lambda W, s_0, config, rows: srcnb.simulate([W], s_0, config).weights[0][rows])",
        "check_1(lambda W, s_0, config, rows: W[rows])",
        "check_2(lambda n, n_steps, order: 4 * n * n * n_steps)",
    ],
}
REFUSES = """
def refuses(code):
    try:
        exec(code, globals())
    except AssertionError:
        return
    raise SystemExit("a wrong answer passes: " + code)
"""


def number(path):
    return int(path.stem.split("_")[1])


def solutions(text):
    """The code blocks of the solutions, which are in comments."""
    code = r"^#    \.\. code-block:: python\n((?:#(?: {7}.*)?\n)+)"
    blocks = re.findall(code, text, re.MULTILINE)
    return [textwrap.dedent(re.sub("^#", "", block, flags=re.MULTILINE)) for block in blocks]


def cells(path):
    """(heading or None, text, lines of code, whether it may be skipped) of each cell."""
    first, *rest = re.split(r"^# %%\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert first.startswith('"""') and first.endswith('"""\n\n')
    yield None, first.strip('"\n'), [], False
    skipped = False  # the section
    for cell in rest:
        text = re.match(r"(?:#.*\n)*", cell)[0]
        code = [line for line in cell[len(text) :].splitlines() if line.strip()]
        for part in re.split(r"^(?=# \S.*\n# -+$)", text, flags=re.MULTILINE):
            heading = re.match(r"# (\S.*)\n# -+$", part, re.MULTILINE)
            if heading:
                skipped = heading[1].startswith(("Exercise", "Solutions"))
            skipped |= "*This section may be skipped.*" in part
            last = text.endswith(part)
            here = skipped or part.startswith("# *May be skipped: ")
            if part:
                yield heading and heading[1], part, code if last else [], here


def minutes(path, all_of_it=False):
    """How long a reader takes, counted; for the one-hour path or for all of a chapter."""
    found = 0
    for _, text, code, skipped in cells(path):
        if all_of_it or not skipped:
            words = [word for word in text.split() if re.search(r"\w", word)]
            found += len(words) / WORDS + len(code) / LINES
    return found + PICTURE * len(pictures(path, all_of_it))


def pictures(path, all_of_it=False):
    """Lines that start a picture. Where plotting may be skipped, the picture is still seen."""
    return [
        line
        for _, text, code, skipped in cells(path)
        for line in code
        if re.search(r"plt\.(subplots|figure)\(", line)
        and (all_of_it or not skipped or text.startswith("# *May be skipped: "))
    ]


def functions(path):
    """{name: source} of the functions of a chapter."""
    text = path.read_text(encoding="utf-8")
    found = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) for node in found}


def test_there_are_eight_chapters():
    assert [number(path) for path in CHAPTERS] == [*range(1, 9)] == [*WRONG]


@by_chapter
def test_chapters_are_sources_of_a_gallery(path):
    """A title, a question and a guess before anything else; then cells, and no tricks."""
    text = path.read_text(encoding="utf-8")
    compile(text, path.name, "exec")
    docstring = ast.get_docstring(ast.parse(text))
    title, line = docstring.splitlines()[:2]
    assert title.startswith(f"{number(path)}. ") and line == "=" * len(title)
    assert docstring.index("**The question.**") < docstring.index("**Your guess,**")
    assert text.count("\n# %%\n") > 5 and "**The answer" in text
    assert "__file__" not in text and "plt.show" not in text and "chdir" not in text
    # Solutions are at the end, and not where a reader of the file sees them with the exercise.
    exercises, solved = text.split("# Solutions\n# ---------\n")
    assert re.findall(r"^# Exercise (\d): ", exercises, re.MULTILINE) == ["1", "2"]
    admonition = r"^# \.\. admonition:: Solution of exercise (\d)\n#    :collapsible: closed\n"
    assert re.findall(admonition, solved, re.MULTILINE) == ["1", "2"]
    assert "admonition" not in exercises and not solutions(exercises)
    assert "check_1(" in solutions(solved)[0] and "check_2(" in solutions(solved)[-1]
    for solution in solutions(solved):
        compile(solution, path.name, "exec")
    # Each heading is underlined by as many characters, as reStructuredText wants it.
    for heading, line in re.findall(r"^# (\S.*)\n# (-+|\^+)$", text, re.MULTILINE):
        assert len(heading) <= len(line), heading
    assert not re.search(r"^# [-^]{4,} ", text, re.MULTILINE)


def test_the_mechanism_is_short_and_the_same_everywhere():
    found = {}
    for path in CHAPTERS:
        for name, source in functions(path).items():
            if name in REPEATED:
                assert found.setdefault(name, source) == source, f"{name} differs in {path.name}"
    assert {*found} == {*REPEATED}
    n_lines = sum(len(found[name].splitlines()) for name in MECHANISM)
    assert n_lines <= 150, n_lines


def test_the_mechanism_is_that_of_the_library():
    """Chapter 6's functions beside both engines, in a network of two layers with each gate."""
    namespace = {"np": np}
    for path in CHAPTERS[4:6]:
        for name, source in functions(path).items():
            if name in MECHANISM:
                exec(source, namespace)
    W = random_network((12, 9, 5), 0, np.float64)
    s_0 = np.random.default_rng(1).random((80, 12)) < 0.4
    for gate in ("additive", "logistic", "negative"):
        config = random_config(80, 2, gate=gate)
        constants = config.alpha, config.beta, config.decay, config.inc, config.dec
        weights, spikes = namespace["sleep"](W, s_0, *constants, namespace[gate])
        reference = srcnb.simulate(W, s_0, config, engine="reference", record=True)
        kernel = srcnb.simulate(W, s_0, config, record=True)
        assert all(s.any() for s in spikes)
        for layer in range(2):
            np.testing.assert_array_equal(weights[layer], reference.weights[layer])
            np.testing.assert_array_equal(spikes[layer], reference.spikes[layer + 1])
            np.testing.assert_array_equal(spikes[layer], kernel.spikes[layer + 1])
            np.testing.assert_allclose(weights[layer], kernel.weights[layer], rtol=1e-9)


def test_chapter_7_quotes_the_results():
    """Each cell of its table is in the row of the file of results."""
    text = CHAPTERS[6].read_text(encoding="utf-8")
    rows = re.findall(r"^# ((?:digits|MNIST), .*)$", text, re.MULTILINE)
    assert len(rows) == 5
    for row in rows:
        name, *_ = re.split(r" {2,}| (?=\d+\.\d ±)", row)
        dataset, network = name.split(", ")
        cells = re.findall(r"\d+\.\d ± \d+\.\d|[+-]\d+\.\d \[.*?\]", row)
        if network == "one class a task":
            network = "400-400, one class a task"
        table = (ROOT / f"docs/results/any-network-{dataset.lower()}.md").read_text("utf-8")
        [line] = [line for line in table.splitlines() if line.startswith(f"| {network} |")]
        columns = line.strip("| ").split(" | ")
        homeostasis, lazy, less, src = cells[:4]
        assert [homeostasis, lazy, less] == columns[3:6] and src == columns[7]
        best = columns[3:6].index(max(columns[3:6], key=lambda cell: float(cell.split()[0])))
        assert cells[4:] == [columns[8 + best]]
    study = (ROOT / "docs/studies/recover.md").read_text("utf-8")
    for condition, cell in (("sleep after the last task", "81.8 ± 1.6"), ("none", "81.2 ± 1.9")):
        assert re.search(rf"\| calibrated \| {condition} \| [^|]* \| {cell} \|", study)
        assert cell in text


def test_the_readme_names_the_chapters_and_answers_ten_questions():
    text = (ROOT / "docs/tutorial/README.md").read_text(encoding="utf-8")
    questions, answers = text.split("## Answers")
    for part in (questions, answers):
        assert re.findall(r"^(\d+)\. ", part, re.MULTILINE) == [str(i) for i in range(1, 11)]
    assert len(re.findall(r"\(chapters? \d", answers)) == 10
    assert all(f"]({path.name})" in text for path in CHAPTERS)


def test_one_hour_is_enough():
    """The README's sections and minutes of the short path are those of the files."""
    text = (ROOT / "docs/tutorial/README.md").read_text(encoding="utf-8")
    table, rest = text.split("## One hour")[1].split("\n\nTogether ")
    rows = re.findall(r"^\| (\d) \| (.*) \| ([\d.]+) \| (.*) \|$", table, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [number(path) for path in CHAPTERS]
    for path, (_, sections, shown, _) in zip(CHAPTERS, rows, strict=True):
        kept = [heading for heading, _, _, skipped in cells(path) if heading and not skipped]
        assert sections.split("; ") == kept
        assert abs(float(shown) - minutes(path)) <= 0.26, (path.name, minutes(path))
    short = sum(minutes(path) for path in CHAPTERS)
    full = [minutes(path, all_of_it=True) for path in CHAPTERS]
    together, for_the_rule = re.match(r"(\d+) minutes, and (\d+) for the rule", rest).groups()
    of_all = re.search(r"take (\d+) minutes, (\d+) to (\d+) each", rest).groups()
    assert int(together) == round(short) and short < 50 and short + int(for_the_rule) <= 60
    assert [int(n) for n in of_all] == [round(n) for n in (sum(full), min(full), max(full))]
    answered = re.findall(r"\d+", " ".join(row[3] for row in rows))
    assert [int(n) for n in answered] == [*range(1, 11)]


@by_chapter
def test_what_a_chapter_repeats_is_marked(path):
    """Functions of earlier chapters, and imports at the top, are in cells that may be skipped."""
    first = [source for earlier in CHAPTERS[: number(path) - 1] for source in functions(earlier)]
    for _, text, code, skipped in cells(path):
        for line in code:
            name = re.match(r"def (\w+)\(", line)
            repeated = name and name[1] in REPEATED and name[1] in first
            assert skipped or not (repeated or re.match(r"(import|from) ", line)), text + line


@pytest.mark.long
@by_chapter
def test_chapters_run_and_know_right_from_wrong(path, tmp_path):
    """As a script, elsewhere; then the solutions pass and wrong answers do not."""
    text = path.read_text(encoding="utf-8")
    found = solutions(text)
    wrong = [f"refuses({code!r})" for code in WRONG[number(path)]]
    script = tmp_path / path.name
    script.write_text("\n".join([text, *found, REFUSES, *wrong]), encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
    assert (tmp_path / "tutorial-figures" / f"{number(path)}-1.png").stat().st_size > 5000
