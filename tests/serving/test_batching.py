"""How requests that come at the same time are put together, and taken apart again."""

import threading
from concurrent import futures

import numpy as np
import tensorflow as tf
from backends import needs_backend

from kerasgan.serving.batching import Batcher, Limits
from kerasgan.serving.errors import ServingError

pytestmark = needs_backend("tensorflow", reason="a queue only")

SOON = 10.0  # seconds; what takes longer hangs


class Network:
    """Doubles numbers, keeps what it was asked, and can be held in the middle of an answer."""

    def __init__(self):
        self.batches = []
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()

    def __call__(self, inputs):
        self.batches.append(inputs["x"].tolist())
        self.busy.set()
        assert self.free.wait(SOON)
        if -1 in inputs["x"]:
            raise ServingError("INVALID_ARGUMENT", "negative")
        return {"twice": 2 * inputs["x"]}


class BatcherTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.network = Network()

    def batcher(self, **limits):
        batcher = Batcher(Limits(**limits))
        self.addCleanup(batcher.drain, SOON)
        self.addCleanup(self.network.free.set)
        return batcher

    def hold(self, batcher):
        """Keeps the batcher busy with a request, so that others gather."""
        self.network.free.clear()
        held = self.submit(batcher, 0)
        self.assertTrue(self.network.busy.wait(SOON))
        return held

    def submit(self, batcher, *numbers, key="key", compute=None):
        inputs = {"x": np.array(numbers)}
        return batcher.submit(key, compute or self.network, inputs, len(numbers))

    def answer(self, future):
        return future.result(SOON)["twice"].tolist()


class TogetherTest(BatcherTestCase):
    def test_what_waits_is_computed_together_and_everyone_gets_his_part(self):
        batcher = self.batcher()
        held = self.hold(batcher)
        waiting = [self.submit(batcher, 1), self.submit(batcher, 2, 3), self.submit(batcher, 4)]
        self.network.free.set()
        self.assertEqual(self.answer(held), [0])
        self.assertEqual([self.answer(future) for future in waiting], [[2], [4, 6], [8]])
        self.assertEqual(self.network.batches, [[0], [1, 2, 3, 4]])

    def test_a_request_alone_does_not_wait_for_others(self):
        batcher = self.batcher()
        for number in range(3):
            self.assertEqual(self.answer(self.submit(batcher, number)), [2 * number])
        self.assertEqual(self.network.batches, [[0], [1], [2]])

    def test_a_batch_never_exceeds_its_limit_and_gaps_are_filled(self):
        batcher = self.batcher(batch=4)
        self.hold(batcher)
        for numbers in ((1, 2, 3), (4, 5), (6,), (7, 8, 9, 10, 11), (12,)):
            last = self.submit(batcher, *numbers)
        self.network.free.set()
        self.answer(last)
        batcher.drain(SOON)
        # What is larger than a batch is one by itself.
        self.assertEqual(self.network.batches, [[0], [1, 2, 3, 6], [4, 5, 12], [7, 8, 9, 10, 11]])

    def test_only_equal_keys_are_put_together_and_the_first_comes_first(self):
        batcher = self.batcher()
        self.hold(batcher)
        for number, key in enumerate(("a", "b", "a", None, None, "b"), 1):
            last = self.submit(batcher, number, key=key)
        self.network.free.set()
        self.answer(last)
        batcher.drain(SOON)
        self.assertEqual(self.network.batches, [[0], [1, 3], [2, 6], [4], [5]])

    def test_answers_of_many_threads_are_not_mixed_up(self):
        batcher = self.batcher(queue=1000, batch=7)
        numbers = np.random.default_rng(0).integers(1, 5, 200)

        def ask(first, count):
            return self.answer(self.submit(batcher, *range(first, first + count)))

        with futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, 10 * np.arange(200), numbers))
        expected = [[2 * (10 * i + k) for k in range(count)] for i, count in enumerate(numbers)]
        self.assertEqual(answers, expected)
        self.assertLessEqual(max(map(len, self.network.batches)), 7)


class FaultTest(BatcherTestCase):
    def test_a_bad_request_does_not_harm_the_others(self):
        batcher = self.batcher()
        self.hold(batcher)
        waiting = [self.submit(batcher, number) for number in (1, -1, 3)]
        self.network.free.set()
        with self.assertRaisesRegex(ServingError, "INVALID_ARGUMENT: negative"):
            self.answer(waiting[1])
        self.assertEqual([self.answer(waiting[0]), self.answer(waiting[2])], [[2], [6]])
        self.assertEqual(self.network.batches, [[0], [1, -1, 3], [1], [-1], [3]])

    def test_outputs_without_a_batch_are_not_cut_into_pieces(self):
        # Of somebody else's models: a number for all of the batch, and an axis of another kind.
        for output in (np.array(7), np.arange(2), np.zeros((0, 3))):
            self.network = Network()
            batcher = self.batcher()
            self.hold(batcher)
            waiting = [
                self.submit(batcher, 1, 2, 3, compute=lambda inputs: {"twice": output})
                for _ in range(2)
            ]
            self.network.free.set()
            for future in waiting:
                self.assertAllEqual(future.result(SOON)["twice"], output)

    def test_after_any_error_it_goes_on(self):
        def fails(inputs):
            raise MemoryError("no room")

        batcher = self.batcher()
        with self.assertRaisesRegex(MemoryError, "no room"):
            self.answer(self.submit(batcher, 1, compute=fails))
        self.hold(batcher)
        waiting = [self.submit(batcher, n, compute=lambda inputs: None) for n in (1, 2)]
        self.network.free.set()
        for future in waiting:
            self.assertIsNone(future.result(SOON))
        self.assertEqual(self.answer(self.submit(batcher, 5)), [10])

    def test_a_full_queue_refuses_and_has_room_again(self):
        batcher = self.batcher(queue=2)
        self.hold(batcher)
        waiting = [self.submit(batcher, 1), self.submit(batcher, 2)]
        with self.assertRaisesRegex(ServingError, "RESOURCE_EXHAUSTED: 2 requests are waiting"):
            self.submit(batcher, 3)
        self.network.free.set()
        self.assertEqual([self.answer(future) for future in waiting], [[2], [4]])
        self.assertEqual(self.answer(self.submit(batcher, 3)), [6])

    def test_cancelled_requests_are_not_computed(self):
        batcher = self.batcher()
        held = self.hold(batcher)
        waiting = [self.submit(batcher, number) for number in (1, 2, 3)]
        self.assertTrue(waiting[1].cancel())
        self.assertFalse(held.cancel())
        self.network.free.set()
        self.assertEqual([self.answer(waiting[0]), self.answer(waiting[2])], [[2], [6]])
        self.assertEqual(self.network.batches, [[0], [1, 3]])

    def test_a_queue_of_cancelled_requests_makes_room(self):
        batcher = self.batcher(queue=1)
        self.hold(batcher)
        self.submit(batcher, 1).cancel()
        future = self.submit(batcher, 2)
        self.network.free.set()
        self.assertEqual(self.answer(future), [4])
        self.assertEqual(self.network.batches, [[0], [2]])


class DrainTest(BatcherTestCase):
    def test_all_that_was_accepted_is_answered_and_the_rest_refused(self):
        batcher = self.batcher(batch=2)
        self.hold(batcher)
        waiting = [self.submit(batcher, number) for number in range(1, 6)]
        with futures.ThreadPoolExecutor(1) as pool:
            drained = pool.submit(batcher.drain, SOON)
            with self.assertRaisesRegex(ServingError, "UNAVAILABLE: the server is shutting down"):
                for _ in range(1000):  # until the other thread has begun
                    waiting.append(self.submit(batcher, len(waiting) + 1))
                    batcher._thread.join(0.01)
            self.assertFalse(drained.done())
            self.network.free.set()
            self.assertTrue(drained.result(SOON))
        answers = [self.answer(future) for future in waiting]
        self.assertEqual(answers, [[2 * n] for n in range(1, len(waiting) + 1)])

    def test_it_says_when_time_was_too_short(self):
        batcher = self.batcher()
        held = self.hold(batcher)
        self.assertFalse(batcher.drain(0.01))
        self.assertFalse(held.done())
        self.network.free.set()
        self.assertTrue(batcher.drain(SOON))
        self.assertTrue(held.done())

    def test_its_thread_ends(self):
        batcher = self.batcher()
        self.assertTrue(batcher._thread.is_alive())
        self.assertTrue(batcher.drain(SOON))
        batcher._thread.join(SOON)
        self.assertFalse(batcher._thread.is_alive())
