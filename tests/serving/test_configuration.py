"""The files for TensorFlow Serving, read as it reads them."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from kerasgan.serving import configuration, folders

pytestmark = needs_backend("tensorflow", reason="files only")


def make_version(folder, name, number):
    """As much of a SavedModel as the configuration looks at."""
    path = pathlib.Path(folder) / name / str(number)
    path.mkdir(parents=True)
    (path / "saved_model.pb").touch()
    return path


def message(package, messages):
    """The class of the last message of a proto file.

    tensorflow-serving-api has the protos of its services, not those of what the server's options
    name: session_bundle_config.proto and monitoring_config.proto, which are written down here.

    Args:
        package: str.
        messages: dict from a message's name to {field: (number, type)}, where a type is a
            `FieldDescriptorProto.Type` or a message's full name; a list of it is repeated.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    file.syntax = "proto3"
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            field = described.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if isinstance(kind, list) else field.LABEL_OPTIONAL
            (kind,) = kind if isinstance(kind, list) else (kind,)
            if isinstance(kind, str):
                field.type, field.type_name = field.TYPE_MESSAGE, kind
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


KIND = descriptor_pb2.FieldDescriptorProto
INT64, STRING = ".google.protobuf.Int64Value", ".google.protobuf.StringValue"
BatchingParameters = message(
    "batching",
    {
        "BatchingParameters": {
            "max_batch_size": (1, INT64),
            "batch_timeout_micros": (2, INT64),
            "max_enqueued_batches": (3, INT64),
            "num_batch_threads": (4, INT64),
            "thread_pool_name": (5, STRING),
            "allowed_batch_sizes": (6, [KIND.TYPE_INT64]),
            "pad_variable_length_inputs": (7, KIND.TYPE_BOOL),
        }
    },
)
MonitoringConfig = message(
    "monitoring",
    {
        "PrometheusConfig": {"enable": (1, KIND.TYPE_BOOL), "path": (2, KIND.TYPE_STRING)},
        "MonitoringConfig": {"prometheus_config": (1, ".monitoring.PrometheusConfig")},
    },
)


class ConfigurationTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self):
        make_version(self.folder, "digits", 1)
        for number in (2, 9, 10):
            make_version(self.folder, "letters", number)
        return configuration.write_configuration(self.folder)

    def test_writes_four_files_and_writes_them_again(self):
        names = ["models.config", "batching_parameters.txt", "monitoring.config"]
        names.append("docker-compose.yml")
        self.assertEqual(self.write(), [self.folder / name for name in names])
        before = [(self.folder / name).read_text() for name in names]
        make_version(self.folder, "digits", 2)
        self.assertLen(configuration.write_configuration(self.folder), 4)
        after = [(self.folder / name).read_text() for name in names]
        self.assertNotEqual(after[0], before[0])
        self.assertEqual(after[1:], before[1:])
        self.assertCountEqual(
            [p.name for p in self.folder.iterdir()], [*names, "digits", "letters"]
        )

    def test_models(self):
        model_server_config_pb2 = pytest.importorskip(
            "tensorflow_serving.config.model_server_config_pb2",
            reason="needs tensorflow-serving-api",
        )
        self.write()
        config = model_server_config_pb2.ModelServerConfig()
        text_format.Parse((self.folder / "models.config").read_text(), config)
        expected = {"digits": {"stable": 1, "canary": 1}, "letters": {"stable": 9, "canary": 10}}
        found = {m.name: dict(m.version_labels) for m in config.model_config_list.config}
        self.assertEqual(found, expected)
        self.assertLen(config.model_config_list.config, 2)
        for model in config.model_config_list.config:
            self.assertEqual(model.base_path, f"/models/{model.name}")
            self.assertEqual(model.model_platform, "tensorflow")
            policy = model.model_version_policy
            self.assertEqual(policy.WhichOneof("policy_choice"), "latest")
            self.assertEqual(policy.latest.num_versions, 2)
            # Or the server would refuse the labels.
            loaded = folders.versions(self.folder / model.name)[-2:]
            self.assertContainsSubset(set(model.version_labels.values()), loaded)

    @parameterized.parameters(
        ([], {}),
        ([7], {"stable": 7, "canary": 7}),
        ([1, 2], {"stable": 1, "canary": 2}),
        ([1, 4, 11], {"stable": 4, "canary": 11}),
    )
    def test_labels(self, versions, expected):
        self.assertEqual(configuration.labels_of(versions), expected)

    def test_batching(self):
        self.write()
        text = (self.folder / "batching_parameters.txt").read_text()
        found = text_format.Parse(text, BatchingParameters())
        sizes = list(found.allowed_batch_sizes)
        self.assertEqual(sizes, list(folders.BATCH_SIZES))
        # The server demands that they ascend and end with the largest.
        self.assertEqual(sizes, sorted(set(sizes)))
        self.assertEqual(found.max_batch_size.value, sizes[-1])
        self.assertEqual(found.batch_timeout_micros.value, 2000)
        self.assertGreater(found.max_enqueued_batches.value, 0)
        self.assertGreater(found.num_batch_threads.value, 0)
        with self.assertRaises(text_format.ParseError):
            text_format.Parse(text + "max_batch_sizes { value: 1 }", BatchingParameters())

    def test_monitoring(self):
        self.write()
        text = (self.folder / "monitoring.config").read_text()
        found = text_format.Parse(text, MonitoringConfig()).prometheus_config
        self.assertTrue(found.enable)
        self.assertEqual(found.path, "/monitoring/prometheus/metrics")

    def test_compose(self):
        yaml = pytest.importorskip("yaml", reason="needs PyYAML")
        files = {path.name for path in self.write()}
        compose = yaml.safe_load((self.folder / "docker-compose.yml").read_text())
        services = compose["services"]
        self.assertCountEqual(services, ["serving", "serving-gpu"])
        for name, service in services.items():
            gpu = name == "serving-gpu"
            image = "tensorflow/serving:${TF_SERVING_TAG:-latest}" + ("-gpu" if gpu else "")
            self.assertEqual(service["image"], image)
            self.assertEqual(service["profiles"], ["gpu" if gpu else "cpu"])
            self.assertEqual(service["volumes"], [".:/models:ro"])
            # To this machine only: the server asks nobody who they are.
            self.assertEqual(service["ports"], ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"])
            flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
            for flag, file in (
                ("model_config_file", "models.config"),
                ("batching_parameters_file", "batching_parameters.txt"),
                ("monitoring_config_file", "monitoring.config"),
            ):
                self.assertEqual(flags[flag], f"/models/{file}")
                self.assertIn(file, files)
            self.assertEqual(flags["enable_batching"], "true")
            # Or labels of versions that are not loaded yet would end the server.
            self.assertEqual(flags["allow_version_labels_for_unavailable_models"], "true")
            self.assertGreater(int(flags["model_config_file_poll_wait_seconds"]), 0)
        reserved = services["serving-gpu"]["deploy"]["resources"]["reservations"]["devices"]
        self.assertEqual(reserved, [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}])
        self.assertNotIn("deploy", services["serving"])

    def test_a_folder_without_models_is_refused(self):
        (self.folder / "digits").mkdir()
        version = make_version(self.folder, "letters", "latest")
        for folder in (self.folder, self.folder / "nowhere", version, self.folder / "letters"):
            with self.assertRaisesRegex(ValueError, r"has to hold a folder for each model.*export"):
                configuration.write_configuration(folder)
        make_version(self.folder, "digits", 1)
        with self.assertRaisesRegex(ValueError, "digits has to hold a folder for each model"):
            configuration.write_configuration(self.folder / "digits")
        self.assertEmpty(list(self.folder.rglob("*.config")))
