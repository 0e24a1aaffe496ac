"""The site has all pages and all public names; its build itself is in .ci/run."""

import doctest
import importlib
import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

import srcnb
from srcnb.experiments import any_network

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MADE = ("_build", "_templates", "generated")
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for suffix in ("md", "rst")
    for path in DOCS.rglob(f"*.{suffix}")
    if path.relative_to(DOCS).parts[0] not in MADE
}


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(text):
    """The pages of the toctrees of a page."""
    for block in re.findall(r"toctree\}\n(?::.*\n)*\n(.*?)```", text, re.DOTALL):
        yield from (re.sub(r".*<(.*)>", r"\1", line) for line in block.splitlines())
    for block in re.findall(r"\.\. toctree::\n(?: {3}:.*\n)*\n((?: {3}.*\n)+)", text):
        yield from (re.sub(r".*<(.*)>", r"\1", line.strip()) for line in block.splitlines())


def test_every_page_is_in_a_toctree(conf):
    header = (DOCS / "tutorial/GALLERY_HEADER.txt").read_text(encoding="utf-8")
    found = {"index"}
    for name, text in {**PAGES, "tutorial/GALLERY_HEADER": header}.items():
        folder = name.rpartition("/")[0]
        listed = [*entries(text), *conf.TOCTREES.get(name, "").splitlines()]
        for entry in listed:
            if entry == "*":
                found |= {page for page in PAGES if page.rpartition("/")[0] == folder}
            else:
                found.add(entry.lstrip("/") if entry[0] == "/" else f"{folder}/{entry}".lstrip("/"))
    assert "generated/tutorial/index" in found
    assert not {*PAGES} - found


def test_the_reference_has_all_public_names():
    words = re.findall(r"^ {3}([\w.]+)$", PAGES["api"], re.MULTILINE)
    assert len(words) == len({*words})
    modules = {word for word in words if importlib.util.find_spec(f"srcnb.{word}")}
    # trace and search are functions of srcnb, and search is a module as well.
    assert {*words} - (modules - {*srcnb.__all__}) == {*srcnb.__all__} - {"__version__"}


@pytest.mark.parametrize(
    ("target", "source", "page", "link"),
    [
        ("alpha.md", "docs/studies/README.md", "docs/studies/README.md", "alpha.md"),
        ("../README.md", "docs/ANY_NETWORK.md", "docs/ANY_NETWORK.md", "index.md"),
        ("docs/pictures.md", "CHANGELOG.md", "docs/changelog.md", "pictures.md"),
        ("../docs/ESTIMATOR.md", "benchmarks/README.md", "docs/benchmarks.md", "ESTIMATOR.md"),
        ("a.png", "benchmarks/README.md", "docs/benchmarks.md", "../benchmarks/a.png"),
        ("../../benchmarks/README.md", *["docs/studies/a.md"] * 2, "../benchmarks.md"),
        ("plot_2_x.py", *["docs/tutorial/README.md"] * 2, "../generated/tutorial/plot_2_x.rst"),
    ],
)
def test_links_of_the_site(conf, target, source, page, link):
    assert conf.linked(target, source, page) == link


def test_names_between_bars_are_no_substitutions(conf):
    lines = ["median |w| of ``|w|`` | a"]
    conf.without_substitutions(None, "class", "", None, None, lines)
    assert lines == [r"median \|w\| of ``|w|`` | a"]


def test_what_sleep_can_do_has_the_results():
    """Its table, from that of any-network: the best control, the sleep, over less excitable."""
    rows = re.findall(
        r"^\| ((?:digits|mnist|fashion-mnist), .*) \|$", PAGES["what_sleep_can_do"], re.M
    )
    assert len(rows) == 6
    for row in rows:
        name, *cells = row.split(" | ")
        dataset, network = name.split(", ", 1)
        wide = network == "4000-4000"
        path = DOCS / f"results/{'wide-network' if wide else f'any-network-{dataset}'}.csv"
        table = any_network.table(pd.read_csv(path, dtype={"head": str}))
        [known] = [list(r) for r in table.to_numpy() if r[0] == network]
        controls = known[3:6]
        best = max(controls, key=lambda cell: float(cell.split()[0]))
        assert best == controls[2]
        assert cells == [known[2], best, known[7], known[10]]


@pytest.mark.long
def test_the_examples_of_the_docstrings():
    n_examples = 0
    for path in sorted((ROOT / "srcnb").rglob("*.py")):
        if ">>>" in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            result = doctest.testmod(importlib.import_module(name))
            assert not result.failed, name
            n_examples += result.attempted
    assert n_examples >= 6


@pytest.mark.long
def test_the_first_example(capsys):
    [example] = re.findall(r"```python\n(.*?)```", PAGES["index"], re.DOTALL)
    exec(example, {"__name__": "example"})
    assert int(re.findall(r"^(\d+)% of all", capsys.readouterr().out)[0]) > 70
