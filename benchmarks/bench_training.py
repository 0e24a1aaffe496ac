"""How long is an epoch? Our MLP against scikit-learn's MLPClassifier and an eager PyTorch MLP.

    python benchmarks/bench_training.py [--data-dir DIR] [--hidden 400 1200 4000] [--rounds 7]

The same shapes, batches of 100, momentum 0.5 and float32, no dropout and no biases, except that
scikit-learn's classifier always has biases. Data: a task of 5000 images of MNIST (where --data-dir
or SRCNB_DATA has it; of digits elsewhere). The three train in turn, round after round, with as many
threads each, and a row gives the median over the rounds of the time ratio within a round.
PyTorch is left out where it is not installed.
"""

import argparse
from functools import partial

import numba
import numpy as np
import pandas as pd
from networks import add_data_arguments, load_data, positive, threads, to_text
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from timing import in_turn, timed

import srcnb
from srcnb import tasks

try:
    import torch
except ImportError:
    torch = None

BATCH, RATE, MOMENTUM = 100, 0.01, 0.5


def ours(sizes):
    net = srcnb.MLP(sizes, random_state=0)
    return partial(net.fit, epochs=1, batch_size=BATCH, learning_rate=RATE, momentum=MOMENTUM)


def scikit_learn(sizes):
    net = MLPClassifier(
        sizes[1:-1],
        solver="sgd",
        alpha=0,
        batch_size=BATCH,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        random_state=0,
    )
    return partial(net.partial_fit, classes=np.arange(sizes[-1]))


def pytorch(sizes):
    layers = []
    for n_pre, n_post in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [torch.nn.Linear(n_pre, n_post, bias=False), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    loss = torch.nn.CrossEntropyLoss()

    def epoch(X, y):
        X, y = torch.from_numpy(X), torch.from_numpy(y)
        order = torch.randperm(len(X))
        for start in range(0, len(X), BATCH):
            batch = order[start : start + BATCH]
            optimizer.zero_grad()
            loss(net(X[batch]), y[batch]).backward()
            optimizer.step()

    return epoch


def measure(X, y, sizes, rounds):
    """One row of the table."""
    epochs = {"ours": ours(sizes), "scikit-learn": scikit_learn(sizes)}
    if torch is not None:
        epochs["PyTorch"] = pytorch(sizes)
    runs = {name: partial(timed, partial(epoch, X, y)) for name, epoch in epochs.items()}
    seconds = in_turn(runs, rounds)
    n_batches = -(-len(X) // BATCH)
    row = {"network": "-".join(map(str, sizes))}
    row |= {f"{name} ms/batch": 1e3 * np.median(s) / n_batches for name, s in seconds.items()}
    for name in list(seconds)[1:]:
        row[f"{name} / ours"] = np.median(seconds[name] / seconds["ours"])
    return row


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.add_argument("--hidden", type=positive, nargs="+", default=[400, 1200, 4000])
    parser.add_argument("--threads", type=threads, default=numba.config.NUMBA_NUM_THREADS)
    args = parser.parse_args()
    data = load_data(args.data_dir)
    first = tasks.class_incremental(data, cap=5000)[0]
    X, y = first.X, first.y
    if torch is None:
        print("PyTorch is not installed: left out")
    else:
        torch.set_num_threads(args.threads)
    with threadpool_limits(args.threads):
        rows = [
            measure(X, y, (X.shape[1], hidden, hidden, data.n_classes), args.rounds)
            for hidden in args.hidden
        ]
    print(f"{data.name}, {args.threads} threads, NumPy {np.__version__}")
    print(to_text(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
