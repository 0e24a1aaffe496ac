"""How long is a step of sleep? The compiled kernel against the plain NumPy reference.

    python benchmarks/bench_sleep.py [--data-dir DIR] [--hidden 400 1200 4000]

Both engines simulate the same steps of the same sleep, side by side in one run: a network trained
on the first two tasks of MNIST (where --data-dir or SRCNB_DATA has it; of digits elsewhere), in
float32, with the constants of the torch preset (on digits: our own), after a warm-up of 500 steps.
An event is one weight gathered or one gate evaluated; the roofline (roofline.py) is what they would
take from a row in the L1 cache, measured in the same run.
"""

import argparse
import os
import time

import numba
import numpy as np
import pandas as pd
from roofline import nanoseconds_per_event

import srcnb
from srcnb import datasets, protocols, tasks
from srcnb.asleep.dreams import poisson_spikes

WARM_UP = 500
STEPS = 1000


def trained_network(data, hidden):
    """A network that has learnt two tasks, its Night, and the config of its second sleep."""
    protocol = protocols.get(None if data.name == "digits" else "torch", data.name)
    net_sizes = (data.X.shape[1], hidden, hidden, data.n_classes)
    net = srcnb.MLP(net_sizes, random_state=0, **protocol.network)
    night = protocol.new_night()
    for task in tasks.class_incremental(data, cap=protocol.cap)[:2]:
        net.fit(task.X, task.y, **protocol.training)
        night.learn(task)
    return net, night, night.config(net, stage=2)


def draw_spikes(night, config, n_steps):
    """Input spikes of ``n_steps`` steps."""
    rng = np.random.default_rng(0)
    rates = night.dream.rates(n_steps, rng)
    return poisson_spikes(rates, rng.random(rates.shape, dtype=np.float32), config)


def simulate(net, spikes, config, engine, start=None):
    """``srcnb.simulate`` of these spikes from the state ``start``, another simulation's result."""
    config = srcnb.SleepConfig(**{**vars(config), "n_steps": len(spikes)})
    weights = net.weights if start is None else start.weights
    membranes = None if start is None else start.membranes
    return srcnb.simulate(weights, spikes, config, engine, membranes=membranes)


def synaptic_events(result, sizes):
    """(weights gathered, gates evaluated) in a simulation."""
    spikes = [int(count.sum()) for count in result.spike_counts]
    gathers = sum(n * n_post for n, n_post in zip(spikes[:-1], sizes[1:], strict=True))
    gates = sum(n * n_pre for n, n_pre in zip(spikes[1:], sizes[:-1], strict=True))
    return gathers, gates


def measure(data, hidden):
    """Rows of the table: one for each number of threads."""
    net, night, config = trained_network(data, hidden)
    spikes = draw_spikes(night, config, WARM_UP + STEPS)
    warm = simulate(net, spikes[:WARM_UP], config, "numba")
    spikes = spikes[WARM_UP:]
    gathers, gates = synaptic_events(simulate(net, spikes, config, "numba", warm), net.layer_sizes)

    def seconds(engine, repeats):
        # A call copies the weights; its time without steps is not part of a step's.
        copying = best_time(lambda: simulate(net, spikes[:0], config, engine, warm), 3)
        return best_time(lambda: simulate(net, spikes, config, engine, warm), repeats) - copying

    reference = seconds("reference", 1)
    gather_ns, gate_ns = nanoseconds_per_event(config.gate)
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        kernel = seconds("numba", 5)
        floor = 1e-9 * (gathers * gather_ns + gates * gate_ns) / threads
        yield {
            "network": "-".join(map(str, net.layer_sizes)),
            "threads": threads,
            "reference ms/step": 1e3 * reference / STEPS,
            "kernel ms/step": 1e3 * kernel / STEPS,
            "speed-up": reference / kernel,
            "events/step": (gathers + gates) / STEPS,
            "ns/event": 1e9 * kernel / (gathers + gates),
            "of roofline": floor / kernel,
        }


def best_time(call, repeats):
    """The shortest of several wall times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default=os.environ.get("SRCNB_DATA"))
    parser.add_argument("--hidden", type=int, nargs="+", default=[400, 1200, 4000])
    args = parser.parse_args()
    data = datasets.load("mnist" if args.data_dir else "digits", args.data_dir)
    rows = [row for hidden in args.hidden for row in measure(data, hidden)]
    print(f"{data.name}, numba {numba.__version__}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))


if __name__ == "__main__":
    main()
