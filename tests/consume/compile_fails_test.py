"""Sees that compile_fails.py tells a refused misuse from the three ways a file can cheat."""

import pathlib
import sys
import tempfile
import unittest

from compile_fails import verdict

COMPILER, FAMILY = sys.argv.pop(1), sys.argv.pop(1)
MISUSE = '#ifndef CONTROL\nstatic_assert(sizeof(int) == 1, "an int is not one byte");\n#endif\n'


class Harness(unittest.TestCase):
    def says(self, text):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "case.cpp")
            file.write_text(text)
            return verdict(str(file), COMPILER, FAMILY, folder)

    def test_a_refused_misuse_passes(self):
        self.assertIsNone(self.says("// expect: an int is not one byte\n" + MISUSE))

    def test_a_misuse_that_compiles_is_told(self):
        self.assertIn("the misuse compiles", self.says("// expect: anything\nint main() {}\n"))

    def test_another_message_than_expected_is_told(self):
        self.assertIn("does not match", self.says("// expect: an int is two bytes\n" + MISUSE))

    def test_a_broken_control_is_told(self):
        self.assertIn("the control", self.says("// expect: gone\n#include <gone.hpp>\n"))

    def test_a_file_without_expectation_is_told(self):
        self.assertIn("first line", self.says(MISUSE))


if __name__ == "__main__":
    unittest.main()
