"""What the tests of the program share: a claim is a function of a script, run in a folder of its
own."""

import contextlib
import os
import tempfile


def check(holds, what, shown=""):
    if not holds:
        raise AssertionError(f"{what}\n{shown}")


@contextlib.contextmanager
def folder():
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="weir-claim-") as path:
        os.chdir(path)
        try:
            yield path
        finally:
            os.chdir(before)
