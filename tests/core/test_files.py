import pathlib

import tensorflow as tf

from kerasgan.core.files import atomic_path


class AtomicPathTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "new" / "file.txt"

    def write(self, text):
        with atomic_path(self.path) as temporary:
            self.assertEqual(temporary.suffix, ".txt")
            temporary.write_text(text)

    def test_replaces_what_was_there(self):
        self.write("one")
        self.write("two")
        self.assertEqual(self.path.read_text(), "two")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_a_failure_leaves_the_old_file_and_no_other(self):
        self.write("one")
        for failure in (OSError("disk full"), KeyboardInterrupt()):
            with self.assertRaises(type(failure)), atomic_path(self.path) as temporary:
                temporary.write_text("half of tw")
                raise failure
        self.assertEqual(self.path.read_text(), "one")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_what_a_killed_process_left_is_replaced(self):
        self.write("one")
        (self.path.parent / ".partial-file.txt").write_text("half")
        self.write("two")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_folders(self):
        with atomic_path(self.path.parent / "folder") as temporary:
            temporary.mkdir()
            (temporary / "inside").write_text("x")
        self.assertEqual((self.path.parent / "folder" / "inside").read_text(), "x")
