"""cheat: an oracle. Sequential training, but the test says which task a sample is from."""

import numpy as np

from srcnb.methods.stages import Learner, run_stages


def run(tasks, protocol, seed, slip=False):
    """Yield the network after each task, as an :class:`Oracle`; see srcnb.methods.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    slip : bool
        False: the network of "sequential", its weights untouched; when another task than the
        last one trained is tested, the last one's classes cannot be chosen (their logits are -∞).
        True, as torch has it: after a task, the *columns* of the last weight matrix with the
        numbers of the task's classes are set to 0 for good, and training goes on from there (an
        indexing slip: the classes are rows, columns are hidden units); and the logits of the last
        task's classes become 0, which is not out of the running.

    Raises
    ------
    ValueError
        If the slip finds fewer hidden units than classes.
    """
    return run_stages(Slip if slip else Cheat, tasks, protocol, seed, sleeps=False)


class Oracle:
    """A network that is told the task, and then holds the classes of the last one back.

    Parameters
    ----------
    net : MLP
    classes : array of int, those of the last task trained
    fill : float
        What their logits become when a task without them is tested.
    """

    def __init__(self, net, classes, fill=-np.inf):
        self.net = net
        self.classes = classes
        self.fill = fill

    def predict(self, X):
        """The network's own prediction, without the oracle: (n,) ints."""
        return self.net.predict(X)

    def predict_task(self, X, task):
        """The class of each row of ``X`` (n, n_0), known to be from the Task ``task``: (n,) ints.

        Classes that both tasks have are left alone, so that nothing happens to the last task.
        """
        held_back = np.setdiff1d(self.classes, np.unique(task.y_all))
        if not len(held_back):
            return self.predict(X)
        # Not the outputs: next to the last task's certainty those of the other classes are mostly
        # all 0, a relu's as well as a softmax's, and the first class would win the tie.
        z = _logits(self.net, X)
        z[:, held_back] = self.fill
        return z.argmax(axis=1)


class Cheat(Learner):
    """Trains as Learner does, and is measured as an Oracle."""

    fill = -np.inf

    def learn(self, net, task):
        """Train ``net`` on ``task``, in place, and remember its classes."""
        super().learn(net, task)
        self.classes = np.unique(task.y_all)

    def model(self, net):
        """The Oracle that holds back the classes of the last task."""
        return Oracle(net, self.classes, self.fill)


class Slip(Cheat):
    """Cheat as torch has it; see :func:`run`."""

    fill = 0.0

    def learn(self, net, task):
        """Train ``net`` on ``task``, in place, and zero the columns numbered like its classes."""
        super().learn(net, task)
        W = net.weights[-1]
        if self.classes.max() >= W.shape[1]:
            raise ValueError(
                "slip needs a hidden unit for the number of every class, got"
                f" {W.shape[1]} units and class {self.classes.max()}"
            )
        W[:, self.classes] = 0


def _logits(net, X):
    """The input of the output function, (n, n_L)."""
    *_, below, _ = net.activations(X)
    z = below @ net.weights[-1].T
    return z if net.biases is None else z + net.biases[-1]
