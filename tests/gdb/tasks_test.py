"""`weir tasks` names every task of a core file: tasks_test.py GDB PROGRAM SCRIPT."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

gdb, program, script = sys.argv[1:4]


def run(*arguments):
    done = subprocess.run([gdb, "-q", "-nx", "-batch", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    return done.stdout


class tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            core = os.path.join(folder, "core")
            cls.alive = run("-x", script, "-ex", "run", "-ex", "weir tasks",
                            "-ex", f"generate-core-file {core}", "-ex", "kill", program)
            cls.dead = run("-x", script, "-ex", "weir tasks", program, core)

    def test_of_a_core_file_are_all_listed_with_site_and_note(self):
        for heard in (self.dead, self.alive):
            self.assertIn("runtime 'victim'", heard)
            self.assertIn("stopper 'ledger': 21 live", heard)
            self.assertIn("stopper 'empty': 1 live", heard)
            self.assertEqual(len(re.findall(r"'ledger\.settle' \(\S*victim\.cpp:\d+\)", heard)), 20)
            self.assertRegex(heard, r"'ledger\.accept' \(\S*victim\.cpp:\d+\).*: waiting for peer 7")
            self.assertRegex(heard, r"'a permit' \(\S*victim\.cpp:\d+\)")

    def test_the_site_is_the_line_that_spawned(self):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "victim.cpp")
        with open(source, encoding="utf-8") as lines:
            spawned = next(n for n, line in enumerate(lines, 1) if '"ledger.accept"' in line)
        self.assertIn(f"victim.cpp:{spawned})", self.dead)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
