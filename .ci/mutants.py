"""Mutants of srcnb: a random sample of changed lines, each against its module's tests.

    pip install mutmut==3.8.1 && python .ci/mutants.py [--sample 400] [--seed 0] [--jobs -1]

mutmut makes them, on a copy of what git has; the tests are run here, one mutant in one process at a
time, as mutmut itself would first run all tests for each module. A mutant runs against its module's
tests/test_<module>.py; what survives, also against tests/test_bad_input.py and the tests of what
the module is part of. Prints a line per mutant and, at the end, the changed lines of the survivors.
The compiled kernel is left out (see [mutmut] in setup.cfg), as mutmut can't tell its code from that
of the cache: .ci/kernel_mutants.py is for it.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from joblib import Parallel, delayed

ROOT = Path(__file__).parent.parent
SELECTION = re.compile(r"(pytest_add_cli_args_test_selection =).*")
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# A loop that never ends is noticed too; in seconds.
LIMIT = 300
NO_TESTS = 5
# Tests beside a module's own that are of it: what it is part of, or where it is used at once.
MORE = {
    "methods": ["tests/test_methods.py"],
    "experiments": ["tests/test_experiments.py", "tests/test_runner.py"],
    "low_rank": ["tests/test_io.py"],
    "datasets": ["tests/test_tasks.py"],
    "cli": ["tests/test_cli_options.py"],
    "mlp": ["tests/test_io.py"],
    "sleeping": ["tests/test_watchers.py"],
}


def make(copy):
    """Make all mutants in a copy of the repository; returns [(module, mutant)]."""
    subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
    settings = (copy / "setup.cfg").read_text()
    # It runs all the tests that it is given once: these are quick.
    (copy / "setup.cfg").write_text(SELECTION.sub(r"\1 tests/test_config.py", settings))
    run = ["mutmut", "run", "--max-children", "1", "no such mutant"]
    subprocess.run(run, cwd=copy, env={**os.environ, **ONE_THREAD}, capture_output=True)
    found = []
    for path in sorted((copy / "mutants").rglob("*.meta")):
        module = path.name.removesuffix(".py.meta")
        folder = path.relative_to(copy / "mutants" / "srcnb").parts[:-1]
        found += [((*folder, module), n) for n in json.loads(path.read_text())["exit_code_by_key"]]
    return found


def notices(folder, mutant, tests):
    """Whether one of these test files fails, or never ends."""
    tests = [test for test in tests if (folder / test).exists()]
    if not tests:
        return False
    options = ["-x", "-q", "-p", "no:cacheprovider", "--slow", "-m", "not long"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(folder), "MUTANT_UNDER_TEST": mutant}
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode not in (0, NO_TESTS)


def is_killed(copy, parts, mutant):
    """Whether the mutant's tests notice it; prints the answer."""
    folder = copy / "mutants"
    others = [test for part in parts for test in MORE.get(part, [])]
    killed = notices(folder, mutant, [f"tests/test_{parts[-1]}.py"]) or notices(
        folder, mutant, [*others, "tests/test_bad_input.py"]
    )
    print("killed  " if killed else "SURVIVED", mutant, flush=True)
    return killed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=-1)
    args = parser.parse_args()
    copy = Path(tempfile.mkdtemp()) / "srcnb"
    mutants = make(copy)
    sample = random.Random(args.seed).sample(mutants, args.sample)
    killed = Parallel(args.jobs, "threading")(delayed(is_killed)(copy, *m) for m in sample)
    print(f"{sum(killed)} of {args.sample} killed, {len(mutants)} in all; survivors:")
    for (_, mutant), dead in zip(sample, killed, strict=True):
        if not dead:
            shown = ["mutmut", "show", mutant]
            print(subprocess.run(shown, cwd=copy, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
