"""``srcnb tune``: search for the sleep of the user's own case."""

import argparse
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from srcnb import cli_options as options
from srcnb.streams import complain, say

DESCRIPTION = """\
Search for the sleep of a data set and a network, by Optuna, on a part of the training set that is
held out (the test set is not used): firing rates, how much and what plasticity changes, the sleep
input, the lengths of the sleeps. The best trials run again with fresh seeds. Writes preset.json,
which "srcnb run --preset" takes, search.csv (one row per trial) and search.png.
"""


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "tune",
        help="search for the sleep of your own data and network",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    options.add_case(parser)
    parser.add_argument(
        "--trials", type=int, default=100, metavar="N", help="points that are tried (default: 100)"
    )
    parser.add_argument(
        "--finalists",
        type=int,
        default=5,
        metavar="N",
        help="so many of the best run again, each with as many fresh seeds (default: 5)",
    )
    parser.add_argument(
        "--no-homeostasis",
        action="store_true",
        help="predict by the slept network as it is, its outputs not brought to one scale",
    )
    options.add_job(
        parser,
        seeds="2",
        out="tune",
        resume="more trials",
        jobs="; with more than one, two searches may differ",
    )


def tune_command(args: argparse.Namespace) -> int:
    """``srcnb tune``: returns the exit status."""
    from srcnb import search
    from srcnb.experiments.cells import Source
    from srcnb.methods.controls import KEEP
    from srcnb.search import MANIFEST, PICTURE, PRESET, TRIALS

    protocol = options.protocol_of(args)
    keep = None if args.no_homeostasis else protocol.homeostasis or KEEP
    out = Path(args.out)
    if (out / MANIFEST).exists() and not args.resume:
        raise ValueError(
            f"resume must be set to go on with the search in {out}; or choose another folder"
        )
    [data] = options.data_of(args)(Source(args.data_dir))
    try:
        result = search(
            data,
            replace(protocol, homeostasis=keep),
            n_trials=args.trials,
            seeds=2 if args.seeds is None else args.seeds,
            classes_per_task=args.classes_per_task,
            finalists=args.finalists,
            jobs=args.jobs,
            out=out,
        )
    except (ImportError, RuntimeError) as error:
        complain(f"srcnb tune: error: {error}")
        return 2
    except KeyboardInterrupt:
        complain("\ninterrupted; --resume goes on with what is finished")
        return 130
    best = result.trials.sort_values("fresh", ascending=False)[: args.finalists]
    columns = ["trial", "accuracy", "fresh", "fresh_sd"]
    matters = ", ".join(f"{name} {share:.0%}" for name, share in result.importances.items())
    say(
        f"{data.name}: accuracy on held-out training data, in percent; the best trials\n\n"
        f"{best[columns].to_string(index=False, float_format='{:.1f}'.format)}\n\n"
        f"what mattered: {matters or 'too few trials to say'}"
    )
    for name in (PRESET, TRIALS, PICTURE):
        say(f"wrote {out / name}")
    # As the shell of the system quotes names with spaces.
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    say(join(_run(args, out / PRESET)))
    return 0


def _run(args: argparse.Namespace, preset: Path) -> list[str]:
    """The command that runs the preset on the data and the tasks of the search."""
    command = ["srcnb", "run", "--dataset", str(args.dataset), "--preset", str(preset)]
    if args.target is not None:
        command += ["--target", args.target]
    if args.classes_per_task != 2:
        command += ["--classes-per-task", str(args.classes_per_task)]
    if args.data_dir is not None:
        command += ["--data-dir", args.data_dir]
    return command
