"""The program ``srcnb``."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from srcnb._version import __version__

if TYPE_CHECKING:
    import pandas as pd

EPILOG = """\
examples:
  srcnb run                              five seeds on digits; no download, under a minute
  srcnb run --dataset mnist --preset paper
                                         the paper's own protocol (a few minutes)
  srcnb run --methods src --sleep-every 5
                                         one sleep only, after five tasks
"""


def build_parser() -> argparse.ArgumentParser:
    """The argument parser of the program."""
    # Not imported at the top, so that --help and --version answer at once.
    from srcnb.datasets import NAMES
    from srcnb.methods import METHODS
    from srcnb.presets import PRESETS

    parser = argparse.ArgumentParser(
        prog="srcnb",
        description="Sleep replay consolidation: a network that learns, sleeps and remembers.",
    )
    parser.add_argument("--version", action="version", version=f"srcnb {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="learn a data set's classes two at a time, with and without sleep, and compare",
        description=(
            "Learn a data set in five tasks of two classes each, one after the other, and measure"
            " what is remembered: without sleep (sequential), with sleep after each task (src),"
            " and when everything is learnt at once (parallel). Prints a table of mean ± sd over"
            " the seeds, and writes results.csv (one row per measurement) and results.png."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "--dataset", choices=NAMES, default="digits", help="what to learn (default: digits)"
    )
    run.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder that holds mnist/ and fashion-mnist/ as IDX .gz files (default: $SRCNB_DATA;"
        " without it they are fetched from OpenML once, and cached by scikit-learn)",
    )
    run.add_argument(
        "--preset",
        choices=PRESETS,
        help="a published protocol, for 28×28 images: paper (its authors' code, 1200 hidden units a"
        " layer) or replica (in PyTorch, 4000); without it srcnb's own protocol",
    )
    run.add_argument(
        "--hidden",
        nargs="+",
        type=int,
        metavar="N",
        help="sizes of the hidden layers (default: the protocol's; the methods with sleep need as"
        " many as its constants are for, two)",
    )
    run.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=["sequential", "src", "parallel"],
        metavar="METHOD",
        help=f"which to compare (default: sequential src parallel; there are {', '.join(METHODS)})",
    )
    run.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="repetitions, seeds 0 … N-1 (default: 5)"
    )
    run.add_argument(
        "--sleep-every",
        type=_sleep_every,
        default=1,
        metavar="K",
        help='sleep after every K-th task, or "end": only after the last (default: 1)',
    )
    run.add_argument(
        "--out",
        default=".",
        metavar="DIR",
        help="folder for results.csv and results.png (default: the current one)",
    )
    run.set_defaults(call=run_command)
    _add_experiment_parser(commands)
    return parser


def _add_experiment_parser(commands: Any) -> None:
    experiment = commands.add_parser(
        "experiment",
        help="repeat a published experiment; without a name, list them",
        description=(
            "Run an experiment with several seeds. Each finished run is written at once to"
            " NAME.csv (one row per measurement), and the table to NAME.md at the end."
        ),
    )
    experiment.add_argument("name", nargs="?", metavar="NAME", help="default: list the names")
    experiment.add_argument(
        "--seeds", type=int, metavar="N", help="seeds 0 … N-1 (default: the experiment's)"
    )
    experiment.add_argument("--data-dir", metavar="DIR", help="as in srcnb run")
    experiment.add_argument(
        "--features",
        metavar="FILE",
        help="a .mat or .npz file with train_x, train_y, test_x, test_y, for cifar10 and cub200",
    )
    experiment.add_argument(
        "--out", default=".", metavar="DIR", help="folder of the CSV and the table (default: .)"
    )
    experiment.add_argument(
        "--resume",
        action="store_true",
        help=(
            "go on with the CSV in --out, where it stopped (one process at a time);"
            " more seeds that it holds stay in the table"
        ),
    )
    experiment.set_defaults(call=experiment_command)


def experiment_command(args: argparse.Namespace) -> int:
    """``srcnb experiment``: returns the exit status."""
    from srcnb.experiments import EXPERIMENTS, runner

    if args.name is None:
        for experiment in EXPERIMENTS.values():
            print(f"{experiment.name:16} {experiment.summary} ({experiment.seeds} seeds)")
        return 0
    if args.name not in EXPERIMENTS:
        raise ValueError(f"NAME must be one of {', '.join(EXPERIMENTS)}; got {args.name!r}")
    source = runner.Source(args.data_dir, args.features)
    experiment = EXPERIMENTS[args.name]
    try:
        results, path, table_path = runner.run_experiment(
            experiment, source, args.seeds, args.out, args.resume
        )
    except KeyboardInterrupt:
        print("\ninterrupted; --resume goes on from the last finished run", file=sys.stderr)
        return 130
    print(f"{args.name}: mean ± sd over seeds, in percent\n")
    print(table_path.read_text(encoding="utf-8"))
    print(
        f"{runner.total_seconds(experiment, results):.0f} s in all\nwrote {path} and {table_path}"
    )
    return 0


def run_command(args: argparse.Namespace) -> int:
    """``srcnb run``: returns the exit status."""
    from srcnb import datasets, io, metrics, plotting, presets, tasks
    from srcnb.experiments.runner import compare_methods
    from srcnb.methods import SLEEPING

    # Whatever may be wrong is found out here, before the first minute of training.
    protocol = presets.get(args.preset, args.dataset)
    if args.hidden:
        protocol = replace(protocol, hidden=tuple(args.hidden))
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=args.sleep_every))
    if SLEEPING & set(args.methods):
        protocol.check_sleeps()
    out = io.check_folder("out", args.out, ["results.csv", "results.png"])
    data = datasets.load(args.dataset, args.data_dir)
    sequence = tasks.class_incremental(data, groups=2, cap=protocol.cap)

    finished: list[tuple[str, int]] = []

    def save(results: "pd.DataFrame") -> None:
        with io.replacing(out / "results.csv") as temporary:
            results.to_csv(temporary, index=False)
        finished[:] = dict.fromkeys(zip(results["method"], results["seed"], strict=True))

    try:
        results = compare_methods(sequence, protocol, args.methods, args.seeds, save)
    except KeyboardInterrupt:
        where = f"; they are in {out / 'results.csv'}" if finished else ""
        print(f"\ninterrupted after {len(finished)} finished runs{where}", file=sys.stderr)
        return 130
    title = f"{args.dataset}, {protocol.name} protocol, {len(sequence)} tasks"
    plotting.plot_results(results, out / "results.png", title)

    print(f"{title}: mean ± sd over seeds, in percent\n")
    print(metrics.format_summary(metrics.summary(results)).to_string())
    print("\naccuracy over all classes after each stage (mean over seeds)\n")
    print(metrics.stage_table(results).to_string(float_format="{:.1f}".format, na_rep="–"))
    print(f"\nwrote {out / 'results.csv'} and {out / 'results.png'}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the program; returns the exit status (2 for bad input)."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without ± must not lose the table
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = build_parser().parse_args(argv)
    try:
        return int(args.call(args))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as "| head": no reader is left
        sys.stderr.close()
        return 1
    except (ValueError, TypeError, OSError, OverflowError) as error:
        print(f"srcnb {args.command}: error: {_in_options(str(error), args)}", file=sys.stderr)
        return 2


def _in_options(message: str, args: argparse.Namespace) -> str:
    """An error of the library, with the option in place of the parameter that it begins with."""
    parameter = message.split(maxsplit=1)[0] if message else ""
    option = {"features_file": "features"}.get(parameter, parameter)
    if not hasattr(args, option):
        return message
    return f"--{option.replace('_', '-')}{message.removeprefix(parameter)}"


def _sleep_every(text: str) -> int:
    if text == "end":
        return 0
    try:
        k = int(text)
    except ValueError:
        k = 0
    if k < 1:
        raise argparse.ArgumentTypeError(f'must be a number from 1, or "end", got {text!r}')
    return k
