"""What the checks share: the files of the tree, their includes, and content-keyed stamps."""

import argparse
import concurrent.futures
import functools
import hashlib
import os
import pathlib
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_STRING = re.compile(
    r'R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def arguments(description, **flags):
    """Parses --root and the given boolean flags, and enters the root."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2],
                        help="the tree to check (default: this one)")
    for name, text in flags.items():
        parser.add_argument("--" + name, action="store_true", help=text)
    given = parser.parse_args()
    os.chdir(given.root)
    return given


def tracked(*suffixes):
    """The paths git tracks that end in one of the suffixes; every file where there is no git."""
    listing = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True)
    if listing.returncode == 0:
        names = listing.stdout.split("\0")
    else:
        names = [str(path) for path in pathlib.Path(".").rglob("*") if "build" not in path.parts]
    return sorted(name for name in names if name.endswith(suffixes) and os.path.isfile(name))


def below(paths, *folders):
    return [path for path in paths if path.startswith(tuple(folder + "/" for folder in folders))]


@functools.cache
def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")


def code_of(text):
    """The text with comments and literals blanked, line numbers kept. Quoted includes survive."""
    def blank(match):
        line_start = text.rfind("\n", 0, match.start()) + 1
        if match[0][0] == '"' and re.match(r"\s*#\s*include", text[line_start:match.start()]):
            return match[0]
        return "".join(c if c == "\n" else " " for c in match[0])
    return COMMENT_OR_STRING.sub(blank, text)


def resolve(path, quote, name):
    """The file of this tree an include names, or None for a system header."""
    places = ["include", "src", "apps", "tests", "."]
    if quote == '"':
        places.insert(0, os.path.dirname(path))
    for place in places:
        candidate = os.path.normpath(os.path.join(place, name))
        if os.path.isfile(candidate):
            return candidate
    return None


@functools.cache
def closure(path):
    """The file and all files of this tree it includes, directly or not."""
    seen, pending = set(), [path]
    while pending:
        here = pending.pop()
        if here not in seen:
            seen.add(here)
            found = (resolve(here, *match) for match in INCLUDE.findall(read(here)))
            pending.extend(file for file in found if file)
    return sorted(seen)


def run_stamped(check, paths, command_of, salt="", prepare=lambda path: None):
    """Runs command_of(path) for the paths whose content or includes changed since it last passed.

    Two at a time, or as many as there are processors, each after prepare(path). Returns the outputs of
    those that failed.
    """
    stamps = pathlib.Path("build/check") / check
    stamps.mkdir(parents=True, exist_ok=True)

    def one(path):
        command = command_of(path)
        digest = hashlib.sha256((salt + repr(command)).encode())
        for file in closure(path):
            digest.update(read(file).encode())
        stamp = stamps / digest.hexdigest()
        if stamp.exists():
            return None
        prepare(path)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            stamp.touch()
            return None
        said = re.sub(r"^\d+ warnings? generated\.\n", "", done.stdout, flags=re.M).strip()
        return said or f"{path}: {command[0]} failed with {done.returncode}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        return [output for output in workers.map(one, paths) if output]


def finish(check, problems, checked):
    """Prints the verdict and leaves with it."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"{check}: {len(problems)} problems in {checked} files", file=sys.stderr)
        sys.exit(1)
    print(f"{check}: {checked} files, no problem")
    sys.exit(0)
