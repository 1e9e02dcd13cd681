"""Batches requests that arrive at the same time."""

import collections
import dataclasses
import threading
from concurrent import futures

import numpy as np

from kerasgan.serving.errors import ServingError


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        request_bytes: int, the largest size of a request, and of its arrays before it is computed.
        request_images: int, how many images a request may ask for.
        request_pixels: int, how many pixels its images may have together.
        request_seconds: float, how long a request may wait for its answer.
        queue: int, how many requests may wait.
        batch: int, how many images are computed together.
    """

    request_bytes: int = 16 * 2**20
    request_images: int = 64
    request_pixels: int = 2**20
    request_seconds: float = 60.0
    queue: int = 128
    batch: int = 32


@dataclasses.dataclass
class _Task:
    key: object
    compute: object
    inputs: dict
    size: int
    pixels: int
    future: futures.Future


class Batcher:
    """A queue of requests, which one thread computes in batches where possible.

    Requests gather while a batch is computed; a request never waits for others to arrive.
    TensorFlow spreads a batch over all cores, so a second thread would not help.

    Args:
        limits: `Limits`.
    """

    def __init__(self, limits):
        self.limits = limits
        self._waiting = collections.deque()
        self._changed = threading.Condition()
        self._running = 0
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, key, compute, inputs, size, pixels=0):
        """Puts a request into the queue.

        Args:
            key: a key that is equal for requests that can be computed together, or None.
            compute: function from dict of arrays to dict of arrays, batch first.
            inputs: dict of arrays.
            size: int, their batch.
            pixels: int, the number of pixels of all their images.

        Returns:
            A `concurrent.futures.Future` of `compute`'s result for these inputs.

        Raises:
            ServingError: when the queue is full, or the server is shutting down.
        """
        task = _Task(key, compute, inputs, size, pixels, futures.Future())
        with self._changed:
            if self._ending:
                raise ServingError("UNAVAILABLE", "the server is shutting down")
            if len(self._waiting) >= self.limits.queue:
                going_on = (task for task in self._waiting if not task.future.cancelled())
                self._waiting = collections.deque(going_on)
            if len(self._waiting) >= self.limits.queue:
                raise ServingError(
                    "RESOURCE_EXHAUSTED",
                    f"{self.limits.queue} requests are waiting already; try again later",
                )
            self._waiting.append(task)
            self._changed.notify_all()
        return task.future

    def drain(self, timeout):
        """Stops accepting requests and waits until those in the queue are answered.

        Args:
            timeout: float, seconds to wait at most.

        Returns:
            Whether all were answered.
        """
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._waiting or self._running), timeout)

    def _work(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending)
                if not self._waiting:
                    return
                tasks = self._next()
                self._running = len(tasks)
            # A client that has gone away has cancelled its future.
            _compute([task for task in tasks if task.future.set_running_or_notify_cancel()])
            del tasks  # otherwise they, and their model, stay in memory until the next ones come
            with self._changed:
                self._running = 0
                self._changed.notify_all()

    def _next(self):
        """The first task, and the tasks behind it that can be computed with it, in order."""
        tasks = [self._waiting.popleft()]
        first, size, pixels = tasks[0], tasks[0].size, tasks[0].pixels
        if first.key is None:
            return tasks
        others = collections.deque()
        while self._waiting:
            task = self._waiting.popleft()
            # No batch may take longer than a single request may, because other requests wait for
            # it.
            fits = (
                size + task.size <= self.limits.batch
                and pixels + task.pixels <= self.limits.request_pixels
            )
            if task.key == first.key and fits:
                tasks.append(task)
                size += task.size
                pixels += task.pixels
            else:
                others.append(task)
        self._waiting = others
        return tasks


def _compute(tasks):
    try:
        results = _results(tasks)
    except Exception as error:
        if len(tasks) == 1:
            if isinstance(error, ServingError):
                error = error.with_traceback(None)  # which refers to the tasks, and they to it
            tasks[0].future.set_exception(error)
            return
        for task in tasks:
            _compute([task])  # one of them is invalid, the others are not
        return
    for task, result in zip(tasks, results, strict=True):
        task.future.set_result(result)


def _results(tasks):
    if len(tasks) < 2:
        return [task.compute(task.inputs) for task in tasks]
    names = tasks[0].inputs
    together = {name: np.concatenate([task.inputs[name] for task in tasks]) for name in names}
    outputs = tasks[0].compute(together)
    ends = np.cumsum([task.size for task in tasks])
    if any(array.shape[:1] != (ends[-1],) for array in outputs.values()):
        raise ValueError("outputs without a batch cannot be divided")
    return [
        {name: array[end - task.size : end] for name, array in outputs.items()}
        for task, end in zip(tasks, ends, strict=True)
    ]
