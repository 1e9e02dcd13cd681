"""What the server of HYPE shows, takes, keeps and refuses."""

import collections
import concurrent.futures
import http.client
import json
import pathlib
import urllib.parse

import numpy as np
import tensorflow as tf
from backends import needs_backend
from hype_study import make_study, read_csv, served, truth_of

from kerasgan.hype.statistics import Staircase
from kerasgan.hype.study import (
    COLUMNS,
    TRUTHS,
    Answers,
    create_app,
    error_rates,
    exposure_threshold,
    whole_blocks,
)
from kerasgan.serving import web

pytestmark = needs_backend("tensorflow", reason="a page does not know what made its images")

HERE = {"Host": "localhost:8000", "Origin": "http://localhost:8000"}


class Participant:
    """Somebody who judges images through Flask's test client."""

    def __init__(self, study, name="ada"):
        self.client = create_app(study).test_client()
        self.study = study
        started = self.post("/participants", {"name": name})
        assert started.status_code == 200, started.get_data()
        self.session, self.next = started.get_json()["session"], started.get_json()["next"]

    def post(self, path, data, **headers):
        return self.client.post(path, json=data, headers={**HERE, **headers})

    def see(self):
        return self.client.get(f"/images/{self.next['image']}", headers=HERE)

    def message(self, **changes):
        shown = 500 if self.study.mode == "time" else None
        message = {"session": self.session, "trial": self.next["trial"], "answer": "real"}
        return {**message, "milliseconds": 1234, "shown_ms": shown, **changes}

    def answer(self, answer):
        reply = self.post("/answers", self.message(answer=answer)).get_json()
        self.next = reply.get("next")
        return reply

    def judge_all(self, judge):
        """Answers `judge(truth, trial)` to every image; returns the truths and the last reply."""
        truths = []
        while self.next:
            truths.append(truth_of(self.see().data))
            reply = self.answer(judge(truths[-1], self.next["trial"]))
        return truths, reply


def rightly(truth, _):
    return truth


def wrongly(truth, _):
    return "real" if truth == "generated" else "generated"


class HypeTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "answers.csv"


class OrderTest(HypeTestCase):
    def test_half_of_the_images_are_real_and_none_comes_twice(self):
        Participant(make_study(self.path, num=40, count=25)).judge_all(rightly)
        rows = read_csv(self.path)
        self.assertEqual([int(row["trial"]) for row in rows], list(range(1, 41)))
        shown = collections.Counter((row["truth"], row["image"]) for row in rows)
        self.assertEqual(max(shown.values()), 1)
        self.assertEqual([row["truth"] for row in rows].count("real"), 20)

    def test_half_of_each_block_is_real(self):
        Participant(make_study(self.path, "time", num=36)).judge_all(rightly)
        truths = [row["truth"] for row in read_csv(self.path)]
        self.assertEqual([truths[i : i + 12].count("real") for i in (0, 12, 24)], [6, 6, 6])

    def test_each_participant_has_another_order_which_the_seed_decides(self):
        orders = []
        for file, seed in (("a.csv", 0), ("b.csv", 0), ("c.csv", 1)):
            study = make_study(self.path.with_name(file), num=24, seed=seed)
            orders.append([Participant(study).judge_all(rightly)[0] for _ in range(2)])
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])
        self.assertNotEqual(orders[0][0], orders[0][1])

    def test_the_csv_says_which_image_it_was(self):
        study = make_study(self.path)
        participant = Participant(study)
        first = participant.see().data
        participant.answer("real")
        (row,) = read_csv(self.path)
        self.assertEqual(row["truth"], truth_of(first))
        participant.study.images[row["truth"]][int(row["image"])] = 7
        self.assertEqual(Participant(make_study(self.path.with_name("b.csv"))).see().data, first)

    def test_too_few_images_or_an_odd_number_are_refused(self):
        for mode, num, count, message in (
            ("infinity", 13, 20, "num=13: half of the images has to be real; use a multiple of 2"),
            (
                "time",
                20,
                20,
                "num=20: half of each of 3 blocks has to be real; use a multiple of 6",
            ),
            ("infinity", 12, 5, "num=12 needs 6 real images, and there are 5; use at most 10"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                make_study(self.path, mode, num, count)


class SecrecyTest(HypeTestCase):
    def test_real_and_generated_images_differ_in_their_pixels_only(self):
        for channels in (1, 3):
            study = make_study(self.path.with_name(f"{channels}.csv"), channels=channels)
            # All of the same pixels: whatever still differed would be the file's or the server's.
            study.images["generated"][:] = study.images["real"][:] = 4
            participant = Participant(study)
            replies, rests, known = [], set(), set()
            while participant.next:
                image = participant.see()
                token = participant.next.pop("image")
                known.add(token)
                replies.append((image.status_code, image.data, tuple(image.headers)))
                rests.add(tuple(participant.next.keys()))
                participant.answer("real")
            self.assertEqual({row["truth"] for row in read_csv(study.answers.path)}, set(TRUTHS))
            self.assertLen(set(replies), 1)
            self.assertEqual(rests, {("trial",)})
            self.assertLen(known, 12)
            headers = dict(replies[0][2])
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["Content-Type"], "image/png")
            self.assertNotIn("Last-Modified", headers)

    def test_names_of_images_and_sessions_cannot_be_guessed(self):
        participant = Participant(make_study(self.path))
        for token in (participant.session, participant.next["image"]):
            self.assertGreaterEqual(len(token), 40)

    def test_only_the_image_that_is_to_be_judged_can_be_seen(self):
        participant = Participant(make_study(self.path, num=2))
        old = participant.next["image"]
        participant.answer("real")
        self.assertEqual(participant.client.get(f"/images/{old}", headers=HERE).status_code, 404)
        last = participant.next["image"]
        participant.answer("real")
        for name in (old, last, "None", "", "0", "é", "../hype.py"):
            reply = participant.client.get(f"/images/{name}", headers=HERE)
            self.assertEqual(reply.status_code, 404, name)

    def test_with_unlimited_time_no_answer_is_said_to_be_right(self):
        participant = Participant(make_study(self.path))
        self.assertEqual(set(participant.answer("real")), {"next"})
        timed = Participant(make_study(self.path.with_name("time.csv"), "time"))
        truth = truth_of(timed.see().data)
        self.assertEqual(timed.answer("real")["truth"], truth)


class AnswersTest(HypeTestCase):
    def test_every_answer_is_in_the_file_at_once(self):
        participant = Participant(make_study(self.path), " Jörg-Ö. 2 ")
        for count in (1, 2, 3):
            participant.answer("real")
            rows = read_csv(self.path)
            self.assertLen(rows, count)
        row = rows[-1]
        self.assertEqual(
            [row[name] for name in ("participant", "session", "mode", "trial", "of", "answer")],
            ["Jörg-Ö. 2", "1", "infinity", "3", "12", "real"],
        )
        self.assertEqual(row["correct"], str(int(row["truth"] == "real")))
        self.assertEqual((row["exposure_ms"], row["shown_ms"]), ("", ""))
        self.assertEqual((row["milliseconds"], row["generator"]), ("1234", "run"))
        self.assertRegex(row["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")

    def test_a_file_is_continued(self):
        Participant(make_study(self.path)).judge_all(rightly)
        Participant(make_study(self.path, "time"), "").judge_all(wrongly)
        rows = read_csv(self.path)
        self.assertEqual([row["session"] for row in rows], ["1"] * 12 + ["2"] * 12)
        self.assertEqual({row["participant"] for row in rows}, {"ada", "participant 2"})
        lines = self.path.read_text().splitlines()
        self.assertEqual((len(lines), lines.count(",".join(COLUMNS))), (25, 1))

    def test_other_files_are_left_alone(self):
        self.path.write_text("a,b\n1,2\n")
        with self.assertRaisesRegex(ValueError, "does not hold answers"):
            make_study(self.path)
        self.assertEqual(self.path.read_text(), "a,b\n1,2\n")
        self.path.unlink()
        Participant(make_study(self.path)).judge_all(rightly)
        for generator, data in (("other", "digits (train)"), ("run", "digits (test)")):
            with self.assertRaisesRegex(ValueError, "holds answers about .* not (other|digits)"):
                Answers(self.path, generator, data)
        with open(self.path, "a") as file:
            file.write("ada,1\n")
        with self.assertRaisesRegex(ValueError, "line 14: 2 values instead of 15"):
            make_study(self.path)

    def test_several_at_the_same_time_are_kept_apart(self):
        study = make_study(self.path, num=20)

        def take_part(number):
            truths, reply = Participant(study, f"p{number}").judge_all(
                (rightly, wrongly)[number % 2]
            )
            return truths, reply["result"]["headline"]

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            found = list(pool.map(take_part, range(6)))
        self.assertEqual([end for _, end in found], ["0.0 % wrong", "100.0 % wrong"] * 3)
        rows = read_csv(self.path)
        self.assertLen(rows, 120)
        for number, (truths, _) in enumerate(found):
            own = [row["truth"] for row in rows if row["participant"] == f"p{number}"]
            self.assertEqual(own, truths)

    def test_the_result_is_what_the_answers_say(self):
        participant = Participant(make_study(self.path, num=20))
        _, reply = participant.judge_all(lambda truth, trial: "real")
        self.assertEqual(reply["result"]["headline"], "50.0 % wrong")
        rates = error_rates(read_csv(self.path))
        interval = f"{100 * rates['all'].low:.1f} % to {100 * rates['all'].high:.1f} %"
        self.assertIn(interval, reply["result"]["text"][0])
        self.assertIn("took 10 of 10 generated", reply["result"]["text"][1])
        self.assertIn("0 of 10 real", reply["result"]["text"][1])


class StaircaseTest(HypeTestCase):
    def test_each_block_goes_down_its_own_staircase(self):
        participant = Participant(make_study(self.path, "time", num=18))
        right = np.random.default_rng(0).random(18) < 0.7
        expected = []
        while participant.next:
            trial = participant.next["trial"] - 1
            if trial % 6 == 0:
                staircase = Staircase()
            expected.append(staircase.exposure)
            self.assertEqual(participant.next["exposure_ms"], staircase.exposure)
            truth = truth_of(participant.see().data)
            participant.answer((rightly if right[trial] else wrongly)(truth, trial))
            staircase.answered(right[trial])
        rows = read_csv(self.path)
        self.assertEqual([int(row["exposure_ms"]) for row in rows], expected)
        self.assertEqual({row["shown_ms"] for row in rows}, {"500"})

    def test_the_threshold_is_that_of_whole_blocks(self):
        participant = Participant(make_study(self.path, "time", num=12))
        _, reply = participant.judge_all(lambda truth, trial: wrongly(truth, trial))
        # 500, 530, 560, 590 in each block, of which none is more frequent.
        self.assertEqual(reply["result"]["headline"], "545 ms")
        broken_off = Participant(make_study(self.path, "time", num=12), "bob")
        for _ in range(3):
            broken_off.answer("real")
        rows = read_csv(self.path)
        self.assertLen(rows, 15)
        blocks = whole_blocks(rows)
        self.assertEqual([len(block) for block in blocks], [4, 4, 4])
        self.assertEqual(exposure_threshold(blocks), (545, 545, 545))
        self.assertIsNone(exposure_threshold([]))


class RefusalTest(HypeTestCase):
    def test_an_image_is_judged_once_and_in_order(self):
        participant = Participant(make_study(self.path, num=2))
        first = participant.message()
        for trial in (0, 2, 3, -1):
            self.assertEqual(
                participant.post("/answers", {**first, "trial": trial}).status_code, 409
            )
        participant.answer("real")
        self.assertEqual(participant.post("/answers", first).status_code, 409)
        last = participant.message()
        participant.answer("real")
        for message in (last, {**last, "trial": 3}):
            self.assertEqual(participant.post("/answers", message).status_code, 409)
        self.assertLen(read_csv(self.path), 2)

    def test_what_is_no_answer_is_refused(self):
        for mode in ("infinity", "time"):
            participant = Participant(make_study(self.path.with_name(f"{mode}.csv"), mode))
            good = participant.message()
            changes = [
                *({"answer": answer} for answer in ("fake", "", None, 1, [], {})),
                *({"trial": trial} for trial in ("1", 1.0, True, None, [1])),
                *({"milliseconds": t} for t in (-1, 1e3, "9", None, True, 10**9, float("nan"))),
                *({"session": session} for session in ("x", "", None, 1, ["x"])),
                {"shown_ms": 500 if mode == "infinity" else None},
                {"shown_ms": "500"},
                {"more": 1},
            ]
            for change in changes:
                reply = participant.post("/answers", {**good, **change})
                self.assertEqual(reply.status_code, 400, change)
                self.assertNotEmpty(reply.get_json()["error"])
            without = {name: value for name, value in good.items() if name != "trial"}
            for other in (without, [good], "real", 1):
                self.assertEqual(participant.post("/answers", other).status_code, 400, other)
            for data in (b"", b"{", b"null", b"\xff", b'{"session": NaN}', b"[" * 1000):
                reply = participant.client.post(
                    "/answers", data=data, headers=HERE, content_type="application/json"
                )
                self.assertEqual(reply.status_code, 400, data[:9])
            reply = participant.client.post("/answers", data=good, headers=HERE)
            self.assertEqual(reply.status_code, 415)
            self.assertEqual(read_csv(participant.study.answers.path), [])
            self.assertEqual(participant.post("/answers", good).status_code, 200)

    def test_names_are_short_and_harmless(self):
        participant = Participant(make_study(self.path))
        for name in ("=1+1", "+1", "-1", "@x", "a\nb", "a,b", '"', "<b>", "x" * 41, None, 1, ["a"]):
            self.assertEqual(
                participant.post("/participants", {"name": name}).status_code, 400, name
            )
        for name in ("", "  ", "Zoë", "李", "O.K. - 2_b", "x" * 40):
            self.assertEqual(
                participant.post("/participants", {"name": name}).status_code, 200, name
            )

    def test_what_is_too_large_is_refused(self):
        participant = Participant(make_study(self.path))
        message = participant.message(answer="r" * 2000)
        self.assertEqual(participant.post("/answers", message).status_code, 413)

    def test_only_its_own_page_may_answer(self):
        participant = Participant(make_study(self.path))
        for headers in (
            {"Origin": "http://example.org"},
            {"Origin": "null"},
            {"Origin": "https://localhost:8000"},
            {"Origin": "http://localhost:8001"},
            {"Origin": ""},
            {"Host": "example.org:8000", "Origin": "http://example.org:8000"},
        ):
            reply = participant.post("/answers", participant.message(), **headers)
            self.assertEqual(reply.status_code, 403, headers)
        reply = participant.client.post("/answers", json=participant.message())
        self.assertEqual(reply.status_code, 403)  # no Origin
        self.assertEqual(read_csv(self.path), [])

    def test_it_goes_by_its_own_names(self):
        study = make_study(self.path)
        for host, good, bad in (
            (
                "127.0.0.1",
                ("localhost:8000", "127.0.0.1", "127.0.0.1:9", "[::1]:80"),
                ("10.0.0.1",),
            ),
            ("gan.example", ("gan.example:8000", "GAN.example", "localhost"), ("10.0.0.1",)),
            ("0.0.0.0", ("10.0.0.1:8000", "[fe80::1]", "localhost"), ()),
        ):
            client = create_app(study, host).test_client()
            for name in good:
                reply = client.get("/", headers={"Host": name})
                self.assertEqual(reply.status_code, 200, (host, name))
            for name in (*bad, "evil.example", "localhost.evil.example", "[", "127.0.0.1.nip.io"):
                for path in ("/", "/images/x", "/nothing"):
                    reply = client.get(path, headers={"Host": name})
                    self.assertEqual(reply.status_code, 403, (host, name))

    def test_there_is_nothing_else(self):
        client = create_app(make_study(self.path)).test_client()
        for path in ("/answers.csv", "/static/x", "/hype.html", "/images", "/images/a/b", "/../"):
            self.assertEqual(client.get(path, headers=HERE).status_code, 404, path)
        for path, allowed in (
            ("/", "GET"),
            ("/images/x", "GET"),
            ("/answers", "POST"),
            ("/participants", "POST"),
        ):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                if method != allowed:
                    reply = client.open(path, method=method, headers=HERE)
                    self.assertEqual(reply.status_code, 405, (method, path))


class SocketTest(HypeTestCase):
    """The same through a real connection, where a client can be rude."""

    def request(self, url, method, path, body=None, headers=None):
        where = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
        headers = {"Content-Type": "application/json", "Origin": url.rstrip("/"), **(headers or {})}
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply, content

    def test_serves_the_page_and_takes_answers(self):
        with served(make_study(self.path, num=2)) as url:
            self.assertStartsWith(url, "http://127.0.0.1:")
            page, content = self.request(url, "GET", "/")
            self.assertIn(b"You will see 2 images", content)
            self.assertNotIn(b"http://", content)
            self.assertNotIn(b"https://", content)
            self.assertIsNone(page.headers["Server"])
            self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
            _, content = self.request(url, "POST", "/participants", '{"name": ""}')
            started = json.loads(content)
            for trial in (1, 2):
                _, png = self.request(url, "GET", f"/images/{started['next']['image']}")
                message = {"session": started["session"], "trial": trial, "milliseconds": 5}
                message |= {"answer": truth_of(png), "shown_ms": None}
                reply, content = self.request(url, "POST", "/answers", json.dumps(message))
                self.assertEqual(reply.status, 200)
                started |= json.loads(content)
            self.assertEqual(started["result"]["headline"], "0.0 % wrong")
        self.assertLen(read_csv(self.path), 2)

    def test_stands_rude_clients(self):
        with served(make_study(self.path)) as url:
            large = b"x" * 100_000
            reply, _ = self.request(url, "POST", "/answers", large)
            self.assertEqual(reply.status, 413)
            reply, _ = self.request(
                url, "POST", "/answers", iter([large]), {"Transfer-Encoding": "chunked"}
            )
            self.assertEqual(reply.status, 413)
            reply, _ = self.request(url, "GET", "/", headers={"Host": "evil.example"})
            self.assertEqual(reply.status, 403)
            reply, _ = self.request(url, "TRACE", "/")
            self.assertEqual(reply.status, 405)
            reply, _ = self.request(url, "GET", "/")
            self.assertEqual(reply.status, 200)
        self.assertEqual(read_csv(self.path), [])

    def test_says_nothing_of_requests_that_wait(self):
        with self.assertNoLogs("waitress.queue"), served(make_study(self.path)) as url:
            with concurrent.futures.ThreadPoolExecutor(32) as clients:
                pages = list(clients.map(lambda _: self.request(url, "GET", "/"), range(64)))
        self.assertEqual({reply.status for reply, _ in pages}, {200})

    def test_a_port_can_be_had_once(self):
        first = web.listen("127.0.0.1", 0)
        self.addCleanup(first.close)
        with self.assertRaises(OSError):
            web.listen("127.0.0.1", first.getsockname()[1])
