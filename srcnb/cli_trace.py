"""``srcnb trace``: a sleep observed, from a run, of a network in a file, or of one trained here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcnb import cli_options as options
from srcnb.streams import say

if TYPE_CHECKING:
    from srcnb.mlp import MLP
    from srcnb.spiking.trace import Neurons, Trace

DESCRIPTION = """\
Observe a sleep, neuron by neuron and step by step. Without a FILE a network learns the first tasks
of a data set, as "srcnb run --methods src" does, and its last sleep is observed. Writes
membranes.csv (impulse, membrane and threshold of the watched neurons at each step), spikes.csv (of
these, and of the layers below them), changes.csv (each change of a weight, with its cause) and
trace.png, a picture of the first watched neuron.
"""
TABLES, PICTURE = ("membranes", "spikes", "changes"), "trace.png"
SAVED = ",input.npz"


def add_parser(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "trace",
        help="observe a sleep: membranes, spikes and each change of a weight",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a sleep of a run with --save-networks, results.cells/CELL,stage=K,input.npz, which is"
        " done again; or a network of net.save, which sleeps on the training samples of --dataset",
    )
    options.add_case(parser)
    parser.add_argument(
        "--stage",
        type=int,
        default=2,
        metavar="K",
        help="tasks that the network learns before the sleep, without a FILE (default: 2)",
    )
    parser.add_argument(
        "--neurons",
        nargs="+",
        default=["3"],
        metavar="N | L:I,J",
        help="so many of each layer, those that fired most; or those to watch, such as 1:3,17 2:0:"
        " layers from 1, neurons from 0 (default: 3)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of training and sleep (default: 0)"
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of the data sets, as for srcnb run"
    )
    parser.add_argument(
        "--out", default="trace", metavar="DIR", help="folder for what is written (default: trace)"
    )


def trace_command(args: argparse.Namespace) -> int:
    """``srcnb trace``: returns the exit status."""
    from srcnb import io, plotting

    neurons = _neurons(args.neurons)
    files = [*(f"{name}.csv" for name in TABLES), PICTURE]
    observed = _observe(args, neurons)
    out = io.check_folder("out", args.out, files)
    say(f"{observed.result}\n\nwatched neurons")
    for layer, indices in observed.neurons.items():
        say(f"layer {layer}: {', '.join(map(str, indices))}")
    for name in TABLES:
        with io.replacing(out / f"{name}.csv") as temporary:
            _write(observed, name, temporary)
        say(f"wrote {out / name}.csv")
    plotting.save(observed.plot(), out / PICTURE)
    say(f"wrote {out / PICTURE}")
    return 0


def _write(observed: "Trace", name: str, path: Path) -> None:
    """Write one of the tables as CSV, a neuron at a time, so that a long one needs no memory."""
    if name == "spikes":
        observed.spikes().to_csv(path, index=False)
        return
    table = getattr(observed, name)
    header = True
    with open(path, "w", encoding="utf-8", newline="") as file:
        for layer, indices in observed.neurons.items():
            for neuron in indices:
                table(layer, neuron).to_csv(file, index=False, header=header)
                header = False


def _observe(args: argparse.Namespace, neurons: "Neurons") -> "Trace":
    """The sleep that the options name."""
    from srcnb.low_rank import load
    from srcnb.spiking.trace import trace

    if args.file is None:
        return _after_training(args, neurons)
    if args.file.endswith(SAVED):
        from srcnb.experiments.sleeps import SavedSleep

        saved = SavedSleep.read(Path(args.file))
        net = load(args.file.removesuffix(SAVED) + ",train.npz")
        sleep_input = saved.sleep_input()
        return trace(net, sleep_input, saved.config, saved.random_state, neurons=neurons)
    return _on_all_classes(args, load(args.file), neurons)


def _on_all_classes(args: argparse.Namespace, net: "MLP", neurons: "Neurons") -> "Trace":
    """A network from a file, on the training samples of all classes."""
    from srcnb import tasks
    from srcnb.experiments.cells import Source
    from srcnb.protocol import SleepState
    from srcnb.spiking.trace import trace

    protocol = options.protocol_of(args)
    [data] = options.data_of(args)(Source(args.data_dir))
    if data.X.shape[1] != net.layer_sizes[0]:
        raise ValueError(
            f"dataset must have as many features as {args.file} has inputs, {net.layer_sizes[0]},"
            f" got {args.dataset!r}, which has {data.X.shape[1]}"
        )
    [task] = tasks.class_incremental(data, groups=data.n_classes, cap=protocol.cap)
    state = SleepState(protocol.schedule)
    state.update(task)
    return trace(net, state.sleep_input, state.config(net, 1), args.seed, neurons=neurons)


def _after_training(args: argparse.Namespace, neurons: "Neurons") -> "Trace":
    """The last sleep of a network that learns the first tasks of a data set."""
    from numpy.random import SeedSequence

    from srcnb import tasks
    from srcnb.experiments.cells import Source
    from srcnb.methods.base import train_and_sleep
    from srcnb.protocol import SleepState
    from srcnb.spiking.trace import check_neurons, trace
    from srcnb.validation import check_int

    protocol = options.protocol_of(args)
    protocol.check_sleeps()
    [data] = options.data_of(args)(Source(args.data_dir))
    sequence = tasks.class_incremental(data, groups=args.classes_per_task, cap=protocol.cap)
    stage = check_int("stage", args.stage, low=1, high=len(sequence))
    check_neurons(neurons, protocol.new_network(sequence, args.seed))
    observed: list[Trace] = []

    def observe(state: SleepState, net: "MLP", stage: int, random_state: SeedSequence) -> "MLP":
        config = state.config(net, stage)
        observed[:] = [trace(net, state.sleep_input, config, random_state, neurons=neurons)]
        slept = observed[0].result.net
        assert slept is not None
        return slept

    for _ in train_and_sleep(sequence[:stage], protocol, args.seed, sleep=observe):
        pass
    if not observed:
        raise ValueError(f"stage must be one after which the protocol sleeps, got {stage}")
    return observed[0]


def _neurons(words: list[str]) -> "Neurons":
    """The option ``--neurons``: a number, or layer:indices, a word for each layer."""
    try:
        if len(words) == 1 and ":" not in words[0]:
            return int(words[0])
        parts = [word.partition(":") for word in words]
        chosen = {int(layer): [int(i) for i in indices.split(",")] for layer, _, indices in parts}
    except ValueError:
        chosen = {}
    if len(chosen) != len(words):
        raise ValueError(
            f"neurons must be a number, or such as 1:3,17 2:0, got {' '.join(words)!r}"
        )
    return chosen
