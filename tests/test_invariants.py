"""What holds for all of the code: the direction of imports, a test for each module, its words."""

import ast
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "srcnb"
# Each module imports only from those before it.
ORDER = (
    *(
        "_version",
        "bars",
        "validation",
        "io",
        "initial",
        "backprop",
        "sgd",
        "mlp",
        "state_dict",
        "low_rank",
    ),
    *("sklearn_mlp", "datasets", "npz", "own_data", "tasks", "spiking.config"),
    *("spiking.inputs", "spiking.reference", "spiking.forks", "spiking.threads"),
    "spiking.events",
    *("spiking.changes", "spiking.kernel", "spiking.report", "spiking.watchers"),
    *("spiking.simulate", "spiking.conversion", "spiking.scaling", "spiking.calibrate"),
    *("spiking.progress", "spiking.sleeping", "spiking"),
    *("output", "sklearn_sleep"),
    *("protocol", "preset_files", "presets", "methods.base", "methods.baselines"),
    "methods.controls",
    *("methods.lazy", "methods.excitability"),
    *("methods.src", "methods.rehearsal", "methods.icarl", "methods.regularization"),
    *("methods.merging", "methods.rivals", "methods.lwf", "methods", "metrics"),
    *("analysis", "plotting", "before_after", "activity", "pictures", "sleep_pictures"),
    *("spiking.replay", "spiking.trace"),  # it draws itself
    *("experiments.sleeps", "experiments.cells", "experiments.tables", "experiments.folder"),
    *("experiments.workers", "experiments.runner"),
    *(
        "experiments.estimate",
        "experiments.class_incremental",
        "experiments.any_network",
        "experiments.comparison",
    ),
    *("experiments.cross_modal", "experiments.features", "experiments.memory"),
    *("experiments.one_sleep", "experiments.patches"),
    *("experiments.studies.alpha", "experiments.studies.bias"),
    *("experiments.studies.recover", "experiments.studies.recover_probes"),
    "experiments.studies.capacity",
    *("experiments.studies.reading", "experiments.studies.merging_or_sleep"),
    *("experiments.studies.step_back", "experiments.studies.ingredients"),
    *("experiments.studies.order_and_time", "experiments.studies.little_data"),
    *("experiments.studies.confidence", "experiments.studies", "experiments"),
    *("experiments.saved", "experiments.figures"),
    *("search_space", "search_trials", "search"),
    *("all_or_nothing", "first_scale", "estimator_checks", "estimator"),
    *(
        "streams",
        "cli_options",
        "cli_tune",
        "cli_trace",
        "cli_figures",
        "parser",
        "cli",
        "__main__",
    ),
)
# These speak of options, and may import srcnb itself.
PROGRAM = ("cli_options", "cli_tune", "cli_trace", "cli_figures", "parser", "cli")
# Words of earlier versions, and pictures where the field has terms.
UNWANTED = (
    r"\b(asleep|dream(s|ing)?|nights?|naps?|MATLAB preset|at the door|a hair|nobody|lucky?)\b"
)
FILES = [
    *(f for folder in ("srcnb", "benchmarks", "docs") for f in (ROOT / folder).rglob("*.py")),
    *(f for f in ROOT.glob("*.md") if f.name != "CHANGELOG.md"),
    *(f for f in (ROOT / "docs").rglob("*.md")),
    *(f for f in (ROOT / "benchmarks").glob("*.md")),
]


def modules():
    """{name within the package: its syntax tree}."""
    trees = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(p for p in parts if p != "__init__")
        trees[name] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


MODULES = modules()


def imported(tree):
    """The modules of the package that a module imports, anywhere in it; "" is srcnb itself.

    A string that is the name of one counts, as ``import_module`` takes it.
    """
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            names += [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
        elif isinstance(node, ast.Constant) and re.fullmatch(r"srcnb(\.\w+)+", str(node.value)):
            names.append(node.value)
    for name in names:
        assert name[0] != ".", "relative import"
        if name.split(".")[0] == "srcnb":
            name = name.removeprefix("srcnb").removeprefix(".")
            while name not in MODULES:  # a name within a module
                name = name.rpartition(".")[0]
            yield name


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("import srcnb", ""),
        ("from srcnb import simulate", ""),
        ("from srcnb import io", "io"),
        ("import srcnb.spiking.kernel", "spiking.kernel"),
        ("from srcnb.spiking.inputs import MeanInput", "spiking.inputs"),
        ("def f():\n    from srcnb import cli", "cli"),
        ("import_module('srcnb.cli')", "cli"),
        ("importlib.import_module('srcnb')", ""),
        ("__import__('srcnb')", ""),
        ("ENGINES = {'numba': 'srcnb.spiking.kernel'}", "spiking.kernel"),
    ],
)
def test_what_counts_as_an_import(line, module):
    assert {*imported(ast.parse(line))} == {module}


def test_imports_go_one_way():
    """And not by way of srcnb itself, which imports most of them, but for the program."""
    assert {*MODULES} == {"", *ORDER}  # each module has its place
    for i, name in enumerate(ORDER):
        root = {""} if name in (*PROGRAM, "__main__") else set()
        later = {*imported(MODULES[name])} - root - {*ORDER[:i]}
        assert not later, f"{name} imports {sorted(later)}"


def test_each_module_has_its_tests():
    for name in ORDER:
        stem = name.rpartition(".")[2]
        if stem in ("spiking", "studies", "__main__", "_version"):
            continue
        assert (ROOT / "tests" / f"test_{stem}.py").is_file(), name


def docstrings(tree):
    """The nodes that are docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            yield node.body[0].value


@pytest.mark.parametrize("name", MODULES)
def test_the_library_names_parameters_not_options(name):
    if name in PROGRAM:
        return
    tree = MODULES[name]
    apart = {*docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in apart:
            assert not re.search(r"(^|\W)--[a-z]", node.value), node.value


def undocumented(tree, where):
    """The public functions and classes of a module or class that have no docstring."""
    found = [] if ast.get_docstring(tree) or not tree.body else [where]
    for child in tree.body:
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and child.name[0] != "_":
            name = f"{where}.{child.name}"
            if isinstance(child, ast.ClassDef):
                found += undocumented(child, name)
            elif not ast.get_docstring(child):
                found.append(name)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_has_a_docstring(name):
    assert undocumented(MODULES[name], name) == []


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_can_show_the_docstrings(name):
    """A sentence below the parameters would be shown as one more, and ``x`` in bold as it is."""
    for node in docstrings(MODULES[name]):
        text = inspect.cleandoc(node.value)
        for section in re.split(r"\n\n(?=.*\n---)", text):
            title, _, *lines = section.splitlines() + [""]
            for line in lines if title in ("Parameters", "Attributes") else ():
                assert re.match(r" |$|[\w*]+(, [\w*]+)*( :|$)", line), line
        assert not re.search(r"\*\*[^*\n]*``[^*\n]*\*\*", text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_words(path):
    found = re.findall(UNWANTED, path.read_text(encoding="utf-8"), re.IGNORECASE)
    assert not found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 420


def test_links_between_the_documents():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
