"""Holds a file to its first line, `// expect: REGEX`.

The file must fail to compile with output that matches the expression, and must compile with
-DCONTROL: only then is it the misuse that was refused, and not a missing include.
"""

import argparse
import re
import subprocess
import sys


def verdict(file, compiler, family, include):
    """None when the file behaves as it says, else a sentence."""
    text = open(file, encoding="utf-8").read()
    expect = re.match(r"// expect: (.+)\n", text)
    if not expect:
        return "the first line is not '// expect: REGEX'"
    command = [compiler, "-std=c++23", "-fsyntax-only", "-Werror=unused-result", "-I" + include, file]
    if family == "clang":
        command.insert(1, "-Werror=thread-safety")

    def compiled(*more):
        return subprocess.run([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    control = compiled("-DCONTROL")
    if control.returncode:
        return "the control does not compile:\n" + control.stdout
    misuse = compiled()
    if misuse.returncode == 0:
        return "the misuse compiles"
    if not re.search(expect[1], misuse.stdout):
        return f"the compiler's message does not match '{expect[1]}':\n{misuse.stdout}"
    return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    for flag in ("--compiler", "--family", "--include"):
        parser.add_argument(flag, required=True)
    given = parser.parse_args()
    problem = verdict(given.file, given.compiler, given.family, given.include)
    if problem:
        sys.exit(f"{given.file}: {problem}")
