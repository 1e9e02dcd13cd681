import numpy as np
import tensorflow as tf
from backends import needs_backend

from kerasgan.hype import statistics

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


def answers(real, wrong_real, generated, wrong_generated):
    """Answers with these counts: real, taken_for_real."""
    truth = np.arange(real + generated) < real
    wrong = np.concatenate([np.arange(real) < wrong_real, np.arange(generated) < wrong_generated])
    return truth, truth ^ wrong


class ErrorRatesTest(tf.test.TestCase):
    def test_are_the_shares_of_wrong_answers(self):
        rates = statistics.error_rates(*answers(40, 10, 60, 6), ["ada"] * 100)
        values = {kind: estimate.value for kind, estimate in rates.items()}
        self.assertEqual(values, {"all": 0.16, "real": 0.25, "generated": 0.1})

    def test_participants_with_more_answers_count_more(self):
        rates = statistics.error_rates(
            [True] * 4, [True, False, False, False], ["a", "a", "a", "b"]
        )
        self.assertEqual(rates["all"].value, 0.75)

    def test_one_participants_interval_is_the_binomials(self):
        wrong, count = 30, 100
        rates = statistics.error_rates(*answers(50, 12, 50, 18), ["ada"] * count)
        # The bootstrap's distribution of the number of wrong answers is Binomial(100, 0.3).
        share = wrong / count
        steps = np.arange(1, count + 1)
        ratios = np.log((count - steps + 1) / steps * share / (1 - share))
        probabilities = np.exp(np.cumsum([count * np.log(1 - share), *ratios]))
        quantiles = np.searchsorted(np.cumsum(probabilities), (0.025, 0.975)) / count
        self.assertAllClose(rates["all"][1:], quantiles, atol=0.0101)

    def test_several_participants_are_resampled_whole(self):
        # Nine who are never wrong and one who always is: a mean of tenths, not of single answers.
        participants = np.repeat(np.arange(10), 50)
        real = np.arange(500) % 2 == 0
        rates = statistics.error_rates(real, real ^ (participants == 0), participants)
        # P(drawn 0 times) = 0.35 and P(at most 3 times) = 0.987 of Binomial(10, 0.1).
        for kind in ("all", "real", "generated"):
            self.assertAllClose(tuple(rates[kind]), (0.1, 0.0, 0.3))

    def test_intervals_cover_the_truth_as_often_as_they_say(self):
        random = np.random.default_rng(0)
        real = np.arange(100) % 2 == 0
        covered = 0
        for _ in range(100):
            rate = statistics.error_rates(real, real ^ (random.random(100) < 0.4), [0] * 100)["all"]
            covered += rate.low <= 0.4 <= rate.high
        self.assertBetween(covered, 88, 99)

    def test_the_seed_decides(self):
        truth = answers(20, 5, 20, 9)
        first, again, other = (
            statistics.error_rates(*truth, np.arange(40) % 13, seed=seed) for seed in (0, 0, 1)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_what_was_not_asked_has_no_rate(self):
        rates = statistics.error_rates([True, True], [True, False], ["ada", "ada"])
        self.assertEqual(rates["real"].value, 0.5)
        self.assertTrue(np.isnan(rates["generated"]).all())
        self.assertTrue(np.isnan(statistics.error_rates([True], [False], ["ada"])["all"].low))

    def test_lengths_have_to_fit(self):
        for arguments in (([], [], []), ([True], [True, False], ["ada"]), ([True], [True], [])):
            with self.assertRaisesRegex(ValueError, "give one of each for every answer"):
                statistics.error_rates(*arguments)


class StaircaseTest(tf.test.TestCase):
    def exposures(self, correct):
        staircase = statistics.Staircase()
        shown = []
        for is_correct in correct:
            shown.append(staircase.exposure)
            staircase.answered(is_correct)
        return shown

    def test_goes_down_when_right_and_up_when_wrong(self):
        self.assertEqual(
            self.exposures([True, True, False, True, False, False]), [500, 490, 480, 510, 500, 530]
        )

    def test_stays_in_its_bounds(self):
        down, up = self.exposures([True] * 50), self.exposures([False] * 50)
        self.assertEqual((min(down), down[40:]), (100, [100] * 10))
        self.assertEqual((max(up), up[17:]), (1000, [1000] * 33))

    def test_hovers_where_three_of_four_answers_are_right(self):
        random = np.random.default_rng(0)
        staircase = statistics.Staircase()
        right = []
        for _ in range(20_000):
            # Half of the answers are right by chance, which leaves 75 % right at 300 ms.
            seen = np.clip((staircase.exposure - 200) / 200, 0, 1)
            right.append(random.random() < 0.5 + 0.5 * seen)
            staircase.answered(right[-1])
        self.assertAllClose(np.mean(right), 0.75, atol=0.01)
        self.assertBetween(staircase.exposure, 200, 400)

    def test_the_threshold_is_the_mode_of_each_block_then_the_mean(self):
        self.assertEqual(statistics.modal_exposure([500, 490, 480, 490]), 490)
        self.assertEqual(statistics.modal_exposure([500, 490, 480]), 490)
        # ada has (400 + 500) / 2, bob has 150.
        blocks = [[400, 400, 390], [500], [150, 150, 990]]
        estimate = statistics.exposure_threshold(blocks, ["ada", "ada", "bob"])
        self.assertEqual(estimate, (300, 150, 450))
        self.assertEqual(statistics.exposure_threshold(blocks[:2], ["ada"] * 2), (450, 400, 500))

    def test_a_single_block_has_no_interval(self):
        estimate = statistics.exposure_threshold([[500, 490]], ["ada"])
        self.assertEqual(estimate.value, 495)
        self.assertTrue(np.isnan(estimate[1:]).all())

    def test_blocks_need_their_participants(self):
        for arguments in (([], []), ([[500]], ["ada", "bob"])):
            with self.assertRaisesRegex(ValueError, "give one participant for each block"):
                statistics.exposure_threshold(*arguments)
