"""`kerasgan import`."""

from backends import needs_backend
from cli.test_commands import CommandTestCase, call
from models.test_official import stylegan2_tensors
from written_files import snapshot

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


class ImportTest(CommandTestCase):
    def test_a_snapshot_is_imported_and_sampled(self):
        folder = self.folder
        (folder / "network.pkl").write_bytes(snapshot(stylegan2_tensors(), p=0.37))
        model, picture = folder / "model.keras", folder / "samples.png"
        ended = call("import", folder / "network.pkl", model, "--network", "G_ema")
        self.assertEqual(ended.code, 0, ended)
        for line in (
            r"file +snapshot of StyleGAN2 \(PyTorch\), 1\.0 MiB",
            r"model +StyleGAN2",
            r"num_classes +3",
            r"G_ema +70,787 numbers, as generator and ema_generator",
            r"D +82,384 numbers, as discriminator",
            r"ignored +network G\n",
            r"training +augmented with p = 0\.37",
            r"licence +the file's holds for .*model\.keras, too; .*NVIDIA Source Code License",
        ):
            self.assertRegex(ended.out, line)
        ended = call("sample", model, "--num", 2, "--label", 1, "--out", picture)
        self.assertEqual(ended.code, 0, ended)
        self.assertTrue(picture.exists())

    def test_what_cannot_be_imported_is_said_in_a_line(self):
        folder = self.folder
        (folder / "network.pkl").write_bytes(b"cos\nsystem\n(S'echo harm'\ntR.")
        (folder / "other.keras").write_text("mine")
        for arguments, message in (
            (("network.pkl", "model.keras"), "calls for os.system.*Nothing in it was executed"),
            (("nowhere.pkl", "model.keras"), "nowhere.pkl. does not exist"),
            (("network.pkl", "model.h5"), "this writes a model, so name it .keras"),
            (
                ("network.pkl", "other.keras"),
                "exists already and is not a model that kerasgan wrote",
            ),
        ):
            ended = call("import", *(folder / name for name in arguments))
            self.assertEqual(ended.code, 2, ended)
            self.assertRegex(ended.err, message)
