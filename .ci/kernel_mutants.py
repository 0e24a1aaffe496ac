"""Mutants of the compiled kernel: a random sample, each against the tests of the kernel.

    pip install cosmic-ray==8.7.0 && python .ci/kernel_mutants.py [--sample 60] [--seed 0]

cosmic-ray edits the file in place: so all is done in a copy of what git has. Each mutant is
compiled anew, in a cache of its own, which is most of its time. Prints the changed lines of those
that no test noticed.
"""

import argparse
import random
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = """
[cosmic-ray]
module-path = ["srcnb/spiking/kernel.py", "srcnb/spiking/changes.py", "srcnb/spiking/events.py"]
timeout = 300.0
excluded-modules = []
test-command = "sh {script}"
[cosmic-ray.distributor]
name = "local"
"""
TESTS = """
NUMBA_CACHE_DIR=$(mktemp -d) && export NUMBA_CACHE_DIR
tests="tests/test_kernel.py tests/test_changes.py tests/test_events.py tests/test_golden.py"
python -m pytest -x -q -p no:cacheprovider --slow -m "not long" $tests
code=$?
rm -rf "$NUMBA_CACHE_DIR"
exit $code
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    copy = folder / "srcnb"
    subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
    (folder / "tests.sh").write_text(f"export PYTHONPATH={copy}" + TESTS)
    (folder / "config.toml").write_text(CONFIG.format(script=folder / "tests.sh"))
    arguments = [folder / "config.toml", folder / "session.sqlite"]
    subprocess.run(["cosmic-ray", "init", *arguments], cwd=copy, check=True)
    with closing(sqlite3.connect(arguments[1])) as session, session:
        jobs = [job for (job,) in session.execute("SELECT job_id FROM work_items ORDER BY job_id")]
        left_out = set(jobs) - set(random.Random(args.seed).sample(jobs, args.sample))
        for table in ("mutation_specs", "work_items"):
            session.executemany(f"DELETE FROM {table} WHERE job_id = ?", [(j,) for j in left_out])
    subprocess.run(["cosmic-ray", "exec", *arguments], cwd=copy, check=True)
    print(f"{args.sample} of {len(jobs)} mutants; survivors:")
    shown = ["cr-report", "--show-diff", "--surviving-only", arguments[1]]
    subprocess.run(shown, cwd=copy, check=True)


if __name__ == "__main__":
    main()
