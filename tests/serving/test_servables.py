"""Versions that come, are damaged, and vanish while others ask for them."""

import pathlib
import shutil
import threading
import time
import weakref
from concurrent import futures
from unittest import mock

import numpy as np
import tensorflow as tf
from backends import needs_backend
from served_models import NUM_CLASSES, decoded, differences, pixels, served, zoo

from kerasgan.export.saved_model import MODEL_CARD
from kerasgan.serving import Client, ServingError
from kerasgan.serving.batching import Limits
from kerasgan.serving.engine import Engine
from kerasgan.serving.servables import Models, Servable

pytestmark = needs_backend("tensorflow", reason="a server does not know what wrote its SavedModels")

TIMEOUT = 20.0
INPUTS = {"seed": np.arange(2, dtype="int64"), "label": np.array([0, 2], "int32")}


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damage_variables(path):
    truncate(path / "variables" / "variables.data-00000-of-00001")


def damage_index(path):
    truncate(path / "variables" / "variables.index")


def damage_graph(path):
    truncate(path / "saved_model.pb")


def empty_graph(path):
    (path / "saved_model.pb").write_bytes(b"")


def damage_card(path):
    (path / MODEL_CARD).write_text("{", encoding="utf-8")


def damage_warmup(path):
    truncate(path / "assets.extra" / "tf_serving_warmup_requests")


def remove_variables(path):
    shutil.rmtree(path / "variables")


class ModelsTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.models = Models(self.folder)

    def add(self, number, damage=None, name="classes"):
        """A version appears, all at once, as `export` makes it."""
        hidden = self.folder / ".partial"
        shutil.copytree(zoo().folder / "classes" / "1", hidden)
        if damage is not None:
            damage(hidden)
        path = self.folder / name / str(number)
        path.parent.mkdir(exist_ok=True)
        return hidden.rename(path)

    def states(self, name="classes"):
        return {v.number: v.state for v in self.models.statuses(name)}

    def newest(self):
        return self.models.get("classes").version

    def assert_right(self, servable):
        files = servable.compute("sample", INPUTS)["image_bytes"]
        expected = pixels(zoo().classes.generate(2, seed=0, labels=INPUTS["label"]))
        self.assertLessEqual(differences(np.stack([decoded(f) for f in files]), expected), 1)

    def assert_not_found(self, message, *arguments, **keywords):
        with self.assertRaisesRegex(ServingError, f"NOT_FOUND: .*{message}"):
            self.models.get(*arguments, **keywords)


class VersionsTest(ModelsTestCase):
    def test_new_versions_are_taken_up_and_the_two_newest_kept(self):
        self.add(1)
        self.models.refresh()
        self.assertEqual((self.newest(), self.states()), (1, {1: "AVAILABLE"}))
        self.add(2)
        self.assertEqual(self.newest(), 1)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "AVAILABLE", 2: "AVAILABLE"})
        self.assertEqual((self.newest(), self.models.get("classes", 1).version), (2, 1))
        self.add(10)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "END", 2: "AVAILABLE", 10: "AVAILABLE"})
        self.assert_not_found("version 1 is not served", "classes", 1)
        self.assert_not_found("no version 3; it has", "classes", 3)
        self.assert_right(self.models.get("classes"))
        self.assertEqual(self.models.errors(), [])

    def test_a_model_that_appears_is_served_and_the_only_one_is_the_default(self):
        self.add(1)
        self.models.refresh()
        self.assertEqual(self.models.get("default").name, "classes")
        self.add(1, name="others")
        self.models.refresh()
        self.assertEqual(self.models.names(), ["classes", "others"])
        self.assert_not_found("no model 'default'; the server has classes, others", "default")

    def test_a_folder_may_be_a_models_own(self):
        self.add(3)
        models = Models(self.folder / "classes")
        models.refresh()
        self.assertEqual((models.names(), models.get("classes").version), (["classes"], 3))

    def test_what_is_no_version_is_not_looked_at(self):
        self.add(1)
        for name in (".partial-2", "2.tmp", "-3", "latest", "v2"):
            (self.folder / "classes" / name).mkdir()
        (self.folder / "classes" / "4").mkdir()  # holds nothing yet
        (self.folder / "classes" / "5").write_text("a file")
        (self.folder / "empty").mkdir()
        self.models.refresh()
        self.assertEqual((self.states(), self.models.names()), ({1: "AVAILABLE"}, ["classes"]))

    def test_zeros_before_a_number_make_no_difference(self):
        path = self.add("00000001")
        self.models.refresh()
        self.assertEqual((self.newest(), self.states()), (1, {1: "AVAILABLE"}))
        self.add("0002")
        self.models.refresh()
        self.assertEqual((self.newest(), self.states()), (2, {1: "AVAILABLE", 2: "AVAILABLE"}))
        self.assert_right(self.models.get("classes"))
        with self.assertLogs("kerasgan.serving", "INFO"):
            path.rename(path.with_name("01"))  # another folder is another file
            self.models.refresh()

    def test_until_the_first_version_is_loaded_a_client_is_to_try_again(self):
        self.add(1)
        self.add(2)
        self.add(3)
        models = Models(self.folder)
        self.assertEqual((models.names(), models.loading()), ([], ["classes"]))
        self.assertEqual(
            {v.number: v.state for v in models.statuses("classes")}, {2: "LOADING", 3: "LOADING"}
        )
        for place in ({}, {"version": 3}, {"label": "stable"}):
            for name in ("classes", "default"):
                with self.assertRaisesRegex(ServingError, "UNAVAILABLE: classes .*is being loaded"):
                    models.get(name, **place)
        with self.assertRaisesRegex(ServingError, "NOT_FOUND"):
            models.get("classes", 1)
        models.refresh()
        self.assertEqual((models.names(), models.loading()), (["classes"], []))
        self.assertEqual(models.get("classes", label="canary").version, 3)

    def test_nothing_is_left_of_a_version_that_is_replaced(self):
        self.add(1)
        self.models.refresh()
        released = []
        for number in (2, 3):
            released.append(weakref.ref(self.models.get("classes")))
            self.add(number)
            self.models.refresh()
        self.assertEqual([servable() is None for servable in released], [True, False])
        released.append(weakref.ref(self.models.get("classes")))
        self.assertEqual(released[-1]().version, 3)
        (self.folder / "classes" / "3" / "saved_model.pb").touch()  # it is loaded anew
        self.models.refresh()
        self.assertIsNone(released[-1]())

    def test_a_folder_that_vanishes_goes_on_being_served(self):
        path = self.add(1)
        self.models.refresh()
        shutil.rmtree(path)
        self.models.refresh()
        self.assert_right(self.models.get("classes"))
        shutil.rmtree(self.folder)
        self.models.refresh()
        self.assert_right(self.models.get("classes"))
        self.assertEqual(self.states(), {1: "AVAILABLE"})

    def test_labels_mean_the_newest_and_that_before_it(self):
        self.add(1)
        self.models.refresh()
        self.assertEqual(self.models.labels("classes"), {"stable": 1, "canary": 1})
        self.add(2)
        self.models.refresh()
        found = {
            label: self.models.get("classes", label=label).version for label in ("stable", "canary")
        }
        self.assertEqual(found, {"stable": 1, "canary": 2})
        self.assert_not_found("no label 'best'; it has canary, stable", "classes", label="best")

    def test_labels_of_the_configuration_come_first(self):
        self.add(1)
        self.add(2)
        self.models.refresh()
        config = self.folder / "models.config"
        config.write_text(
            'model_config_list { config { name: "classes" base_path: "/models/classes"\n'
            'version_labels { key: "best" value: 1 } version_labels { key: "old" value: 9 } } }'
        )
        self.assertEqual(self.models.get("classes", label="best").version, 1)
        # Written when there were other versions, it does not take from labels what they mean.
        self.assert_not_found("no label 'old'; it has best, canary, stable", "classes", label="old")
        self.assertEqual(self.models.get("classes", label="canary").version, 2)
        for damaged in (b"model_config_list {", b"\xff"):
            config.write_bytes(damaged)
            with self.assertRaisesRegex(ServingError, "INTERNAL: .*models.config is damaged"):
                self.models.get("classes", label="best")
        self.assertEqual(self.newest(), 2)

    def test_a_version_whose_files_are_replaced_is_loaded_anew(self):
        path = self.add(1)
        self.models.refresh()
        before = self.models.get("classes")
        self.models.refresh()
        self.assertIs(self.models.get("classes"), before)
        shutil.rmtree(path)
        self.add(1, damage_variables)
        with self.assertLogs("kerasgan.serving", "WARNING"):
            self.models.refresh()
        self.assertIs(self.models.get("classes"), before)
        shutil.rmtree(path)
        self.add(1)
        self.models.refresh()
        self.assertIsNot(self.models.get("classes"), before)
        self.assertEqual(self.states(), {1: "AVAILABLE"})

    def test_a_damaged_version_that_is_removed_is_forgotten(self):
        self.add(1)
        path = self.add(2, damage_graph)
        with self.assertLogs("kerasgan.serving", "WARNING"):
            self.models.refresh()
        self.assertEqual(self.states(), {2: "END", 1: "AVAILABLE"})
        shutil.rmtree(path)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "AVAILABLE"})


class DamageTest(ModelsTestCase):
    def test_the_last_good_version_goes_on(self):
        self.add(1)
        self.models.refresh()
        for number, damage in enumerate(
            (
                damage_variables,
                damage_index,
                damage_graph,
                empty_graph,
                damage_card,
                damage_warmup,
                remove_variables,
            ),
            2,
        ):
            with self.subTest(damage.__name__):
                path = self.add(number, damage)
                with self.assertLogs("kerasgan.serving", "WARNING") as logs:
                    self.models.refresh()
                self.assertLen(logs.output, 1)
                self.assertEqual(self.newest(), 1)
                (status,) = self.models.statuses("classes", number)
                self.assertEqual((status.state, status.servable), ("END", None))
                self.assertNotEmpty(status.error)
                self.assertNotIn("\n", status.error)
                self.assertLess(len(status.error), 600)
                self.assertIn(f"classes version {number}: {status.error}", self.models.errors())
                self.assert_not_found(f"version {number} is not served", "classes", number)
                with self.assertNoLogs("kerasgan.serving"):
                    self.models.refresh()  # is not tried again before it has changed
                shutil.rmtree(path)
        self.assert_right(self.models.get("classes"))

    def test_repaired_files_are_taken_up(self):
        path = self.add(1, damage_card)
        self.models.refresh()
        self.assertEqual(self.models.names(), [])
        shutil.copy(zoo().folder / "classes" / "1" / MODEL_CARD, path / MODEL_CARD)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "AVAILABLE"})
        self.assertEqual(self.models.get("classes").card["num_classes"], NUM_CLASSES)
        shutil.rmtree(self.add(2, damage_graph))
        self.models.refresh()
        self.add(2, damage_graph)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "AVAILABLE", 2: "END"})
        shutil.rmtree(self.folder / "classes" / "2")
        self.add(2)
        self.models.refresh()
        self.assertEqual(self.states(), {1: "AVAILABLE", 2: "AVAILABLE"})
        self.assertEqual(self.models.errors(), [])

    def test_at_start_older_versions_are_served_when_newer_ones_are_damaged(self):
        for number, damage in (
            (1, None),
            (2, None),
            (3, None),
            (4, damage_graph),
            (5, damage_card),
        ):
            self.add(number, damage)
        self.models.refresh()
        self.assertEqual(self.states(), {5: "END", 4: "END", 3: "AVAILABLE", 2: "AVAILABLE"})
        self.assertEqual(self.models.labels("classes"), {"stable": 2, "canary": 3})

    def test_a_damaged_model_does_not_harm_others(self):
        self.add(1, damage_graph)
        self.add(1, name="others")
        self.models.refresh()
        self.assertEqual(self.models.names(), ["others"])
        self.assertEqual(self.states("classes"), {1: "END"})
        self.assert_not_found("no version of classes can be served", "classes")


class ConcurrencyTest(ModelsTestCase):
    def test_a_request_that_runs_while_its_version_is_released_is_answered(self):
        self.add(1)
        self.models.refresh()
        engine = Engine(self.models, Limits())
        self.addCleanup(engine.batcher.drain, TIMEOUT)
        begun, free = threading.Event(), threading.Event()
        compute = Servable.compute

        def held(servable, *arguments):
            if servable.version == 1:
                begun.set()
                assert free.wait(TIMEOUT)
            return compute(servable, *arguments)

        with mock.patch.object(Servable, "compute", held):
            asked = [engine.predict(self.models.get("classes"), "sample", INPUTS) for _ in range(2)]
            self.assertTrue(begun.wait(TIMEOUT))
            for number in (2, 3):
                self.add(number)
            shutil.rmtree(self.folder / "classes" / "1")
            self.models.refresh()
            self.assertEqual(self.states(), {1: "END", 2: "AVAILABLE", 3: "AVAILABLE"})
            free.set()
            expected = pixels(zoo().classes.generate(2, seed=0, labels=INPUTS["label"]))
            for future in asked:
                files = future.result(TIMEOUT)["image_bytes"]
                self.assertLessEqual(
                    differences(np.stack([decoded(f) for f in files]), expected), 1
                )

    def test_versions_are_looked_for_and_asked_for_at_the_same_time(self):
        loaded = []

        class Fake(Servable):
            def __init__(self, name, version, path):
                self.name, self.version = name, version
                loaded.append(version)
                time.sleep(0.002)

        with mock.patch("kerasgan.serving.servables.Servable", Fake):
            for number in range(1, 4):
                self.version_folder(number)
            self.models.refresh()
            done = threading.Event()

            def refresh(_):
                for _ in range(30):
                    self.models.refresh()

            def get(_):
                seen = []
                while not done.is_set():
                    seen.append(self.models.get("classes").version)
                    self.models.get("classes", label="stable")
                    self.models.statuses("classes")
                    self.models.errors()
                return seen

            with futures.ThreadPoolExecutor(6) as pool:
                readers = [pool.submit(get, n) for n in range(3)]
                writers = [pool.submit(refresh, n) for n in range(3)]
                for number in range(4, 20):
                    self.version_folder(number)
                    time.sleep(0.002)
                for writer in writers:
                    writer.result(TIMEOUT)
                self.models.refresh()
                done.set()
                for reader in readers:
                    seen = reader.result(TIMEOUT)
                    self.assertEqual(seen, sorted(seen))
        self.assertEqual(self.newest(), 19)
        self.assertLen(loaded, len(set(loaded)))
        self.assertEqual(list(self.states().values()).count("AVAILABLE"), 2)

    def version_folder(self, number):
        hidden = self.folder / ".partial"
        hidden.mkdir()
        (hidden / "saved_model.pb").touch()
        (self.folder / "classes").mkdir(exist_ok=True)
        hidden.rename(self.folder / "classes" / str(number))


class WatchTest(ModelsTestCase):
    def test_a_server_takes_up_versions_while_it_answers(self):
        self.add(1)
        expected = pixels(zoo().classes.generate(2, seed=0, labels=INPUTS["label"]))
        with served(self.folder) as server, Client(server.url, timeout=TIMEOUT) as client:
            for number, damage, state in ((2, None, "AVAILABLE"), (3, damage_graph, "END")):
                self.add(number, damage)
                for _ in range(400):
                    images = client.sample(2, labels=INPUTS["label"])
                    self.assertLessEqual(differences(images, expected), 1)
                    newest = client.status()[0]
                    if (newest["version"], newest["state"]) == (number, state):
                        break
                self.assertEqual((newest["version"], newest["state"]), (number, state))
                self.assertEqual(newest["error"] == "", state == "AVAILABLE")
            self.assertEqual([v["version"] for v in client.status()], [3, 2, 1])
            self.assertEqual(client.metadata()["version"], 2)

    def test_without_any_model_it_says_so(self):
        with self.assertRaisesRegex(ValueError, "holds no SavedModel that can be served.$"):
            with served(self.folder):
                pass
        self.add("v1")
        with self.assertRaisesRegex(ValueError, r"served \(.*classes/v1 is one, but no version"):
            with served(self.folder):
                pass
        self.add(1, damage_card)
        with self.assertRaisesRegex(ValueError, r"served \(classes version 1: "):
            with served(self.folder):
                pass
