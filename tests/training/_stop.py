"""A run that ends in the middle."""

from mxfair.training import Callback


class StoppedError(Exception):
    """What ends a run in the middle."""


class StopAfter(Callback):
    """Raise after a number of batches."""

    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, state):
        """Count down."""
        self.left -= 1
        if self.left == 0:
            raise StoppedError
