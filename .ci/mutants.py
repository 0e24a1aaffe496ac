"""Mutants of srcnb: a random sample of changed lines, each against its module's tests.

    pip install mutmut==3.8.1 && python .ci/mutants.py [--sample 400] [--seed 0]

Works on a copy of what git has. Each module's mutants run against its tests/test_<module>.py; what
survives, also against tests/test_bad_input.py and the tests of what the module is part of. Prints a
line per module and the survivors; ``mutmut show NAME`` in the folder that it names has the changed
line. The compiled kernel is left out (see [mutmut] in setup.cfg): mutmut can't tell its code from
that of the cache.
"""

import argparse
import collections
import json
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SELECTION = re.compile(r"(pytest_add_cli_args_test_selection =).*")
SLOW = re.compile(r"cli|experiments|search")
# Tests beside a module's own that are of it: what it is part of, or where it is used at once.
MORE = {
    "methods": ["tests/test_methods.py"],
    "experiments": ["tests/test_experiments.py", "tests/test_runner.py"],
    "low_rank": ["tests/test_io.py"],
    "datasets": ["tests/test_tasks.py"],
}


def mutmut(copy, *arguments):
    """Run it in the copy, on one thread per process."""
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return subprocess.run(
        ["mutmut", "run", "--max-children", str(os.cpu_count()), *arguments],
        cwd=copy,
        env={**os.environ, **one},
        capture_output=True,
        text=True,
    )


def outcomes(copy):
    """{module file: {mutant: exit code of its tests, or None}}."""
    found = {}
    for path in sorted((copy / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        if codes:
            found[str(path.relative_to(copy / "mutants"))[: -len(".py.meta")]] = codes
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    copy = Path(tempfile.mkdtemp()) / "srcnb"
    subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
    settings = (copy / "setup.cfg").read_text()
    # Makes all of them, and runs none; but mutmut runs all the tests that it is given once.
    (copy / "setup.cfg").write_text(SELECTION.sub(r"\1 tests/test_config.py", settings))
    mutmut(copy, "no such mutant")
    names = [(module, name) for module, codes in outcomes(copy).items() for name in codes]
    sample = collections.defaultdict(list)
    for module, name in random.Random(args.seed).sample(names, args.sample):
        sample[module].append(name)
    survivors = []
    # The program and the runner last, whose tests take longest.
    for module, chosen in sorted(sample.items(), key=lambda s: (bool(SLOW.search(s[0])), s[0])):
        parts = module.split("/")
        own = [f"tests/test_{parts[-1]}.py"]
        others = [test for part in parts for test in MORE.get(part, [])]
        alive = chosen
        # Most are killed by a module's own tests, which are quick.
        for tests in (own, [*own, *others, "tests/test_bad_input.py"]):
            if not alive:
                break
            selection = "".join(f"\n    {test}" for test in tests)
            (copy / "setup.cfg").write_text(SELECTION.sub(rf"\1{selection}", settings))
            (copy / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
            done = mutmut(copy, *alive)
            codes = outcomes(copy)[module]
            if all(codes[name] is None for name in alive):
                print(done.stdout[-500:], done.stderr[-500:])
            alive = [name for name in alive if codes[name] in (0, 33, None)]  # 33: no test at all
        survivors += alive
        print(f"{module}: {len(chosen) - len(alive)} of {len(chosen)}", flush=True)
    killed = args.sample - len(survivors)
    print(f"{killed} of {args.sample} killed, {len(names)} in all, in {copy}; survivors:")
    print("\n".join(survivors))


if __name__ == "__main__":
    main()
