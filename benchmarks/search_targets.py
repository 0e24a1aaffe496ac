"""Choose the numbers of the calibrated protocol, one set for all networks, on training data.

    python benchmarks/search_targets.py [--lazy] [--data-dir DIR] [--trials 200] [--study FILE]

Optuna (TPE), one process; several with one ``--study`` file share the work. A trial is scored on a
quarter of the *training* sets of digits and MNIST that is held out, by the accuracy over all
classes after five tasks, with the share for homeostasis that is best for all networks together.
The networks differ in data set, depth and width, so that what is chosen is for none of
them in particular. The first trial is the protocol as it is; one that is clearly worse on the first
networks is given up. The test sets and Fashion-MNIST are never seen. Prints the best trials.

With --lazy the same for the control: lazy training, without sleep.
"""

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
import optuna
from networks import positive

import srcnb
from srcnb import SampleInput, datasets, presets, tasks
from srcnb.experiments.cells import one_thread
from srcnb.initial import SCALES
from srcnb.methods.base import train_and_sleep
from srcnb.methods.lazy import GAIN, OUTPUT, RATE, lazy

# (data set, hidden layers, classes per task, seed, weight), and the score below which a trial is
# given up.
NETWORKS = (
    (("mnist", (400, 400), 2, 0, 2.0), 79.0),
    (("digits", (400, 400), 2, 0, 1.0), 79.0),
    (("digits", (400,), 2, 0, 0.5), 79.0),
    (("digits", (400, 400), 2, 1, 1.0), 0.0),
    (("digits", (100, 100, 100), 2, 0, 0.5), 0.0),
    (("mnist", (400,), 2, 1, 1.0), 0.0),
)
KEEPS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45)
RANGES = {
    "gain": (0.8, 4.0),
    "output": (0.03, 1.5),
    "keep": (0.1, 0.6),
    "learning_rate": (0.004, 0.05),
    "input_rate": (0.02, 0.12),
    "rate": (1e-3, 1e-2),
    "rate_factor": (0.05, 0.8),
    "budget": (0.2, 4.0),
    "budget_factor": (0.1, 1.0),
    "rho": (0.04, 0.5),
    "gate_width": (0.03, 1.0),
}
LAZY_RANGES = {"gain": (1.0, 8.0), "output": (0.01, 1.5), "rate": (0.02, 2.0)}


def protocol_of(point, hidden):
    """The calibrated protocol with other numbers, for such hidden layers."""
    base, point = presets.calibrated(), dict(point)
    training = {**base.training, "learning_rate": point.pop("learning_rate")}
    sleep_input = partial(SampleInput, n_samples=1, keep=point.pop("keep"))
    constants = replace(base.schedule.constants, **point)
    schedule = replace(base.schedule, constants=constants, sleep_input=sleep_input)
    network = {**base.network, "init": "fan_in"}
    return replace(
        base,
        hidden=hidden,
        network=network,
        training=training,
        schedule=schedule,
        homeostasis=None,
    )


def start():
    """The numbers of the calibrated protocol as it is."""
    base = presets.calibrated()
    gain, output = SCALES["large_hidden"]
    others = {
        "gain": gain,
        "output": output,
        "keep": base.schedule.sleep_input.keywords["keep"],
        "learning_rate": base.training["learning_rate"],
    }
    return {name: others.get(name) or getattr(base.schedule.constants, name) for name in RANGES}


def slept(sequence, point, hidden, seed):
    """Checkpoints of the calibrated protocol with these numbers."""
    point = dict(point)
    scales = [point.pop("gain")] * len(hidden) + [point.pop("output")]
    protocol = protocol_of(point, hidden)
    new = protocol.new_network(sequence, seed)
    for W, scale in zip(new.weights, scales, strict=True):
        W *= W.dtype.type(scale)
    return train_and_sleep(sequence, protocol, seed, new=new)


def awake(sequence, point, hidden, seed):
    """Checkpoints of lazy training."""
    return lazy(sequence, replace(presets.calibrated(), hidden=hidden), seed, keep=None, **point)


def scores(run, data, point, hidden, classes_per_task, seed):
    """The accuracy with each of KEEPS, in percent."""
    split = data.validation_split(random_state=seed)
    sequence = tasks.class_incremental(split, groups=classes_per_task, cap=5000)
    with one_thread():
        *_, last = run(sequence, point, hidden, seed)
        seen = np.unique(split.y)
        nets = [
            srcnb.homeostasis(last.model, sequence[-1].X, seen, keep, random_state=seed)
            for keep in KEEPS
        ]
        return 100 * np.array([np.mean(net.predict(split.X_test) == split.y_test) for net in nets])


def objective(trial, run, ranges, data):
    """Weighted mean of the networks' accuracies, with the best of KEEPS for all of them."""
    point = {name: trial.suggest_float(name, *r, log=True) for name, r in ranges.items()}
    total, weights = np.zeros(len(KEEPS)), 0.0
    for (name, hidden, classes, seed, weight), least in NETWORKS:
        found = scores(run, data[name], point, hidden, classes, seed)
        trial.set_user_attr(f"{name} {hidden} {classes} {seed}", found.round(1).tolist())
        total, weights = total + weight * found, weights + weight
        if run is slept and total.max() / weights < least:
            return float(total.max() / weights - 10)
    trial.set_user_attr("homeostasis", KEEPS[int(total.argmax())])
    return float(total.max() / weights)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lazy", action="store_true", help="the control in place of the sleep")
    parser.add_argument("--data-dir")
    parser.add_argument("--trials", type=positive, default=200)
    parser.add_argument("--study", default="targets.log", help="a file; it may be there already")
    parser.add_argument("--seed", type=int, default=0, help="of the sampler")
    args = parser.parse_args()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    data = {name: datasets.load(name, args.data_dir) for name in ("digits", "mnist")}
    study = optuna.create_study(
        study_name="lazy" if args.lazy else "targets",
        storage=JournalStorage(JournalFileBackend(args.study)),
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(multivariate=True, seed=args.seed),
    )
    run, ranges = (awake, LAZY_RANGES) if args.lazy else (slept, RANGES)
    if not study.trials:
        study.enqueue_trial(
            {"gain": GAIN, "output": OUTPUT, "rate": RATE} if args.lazy else start()
        )
    # A network that diverges is an error of the point, not of the search.
    objective_of = partial(objective, run=run, ranges=ranges, data=data)
    study.optimize(objective_of, n_trials=args.trials, catch=(ValueError,))
    trials = [t for t in study.trials if t.value is not None]
    for trial in sorted(trials, key=lambda t: -t.value)[:10]:
        numbers = {name: float(f"{value:.3g}") for name, value in trial.params.items()}
        print(f"{trial.value:.1f}", trial.user_attrs.get("homeostasis"), numbers)


if __name__ == "__main__":
    main()
