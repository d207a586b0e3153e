"""The programs that produce figures: how each is built, called and asked for its version."""

import glob
import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
OUT = ROOT / "build" / "peers"
TIMEOUT_S = 180
ROW_NOT_OFFERED = 3  # the exit code of a program that has no such row

GOCODE = Path("/usr/share/gocode")
CRATES = Path("/usr/share/cargo/registry")
JARS = ["/usr/share/java/HikariCP.jar", "/usr/share/java/slf4j-api.jar",
        "/usr/share/java/slf4j-nop.jar"]


class Missing(Exception):
    """This figure cannot be had here; the text says what to install or build."""


class Crashed(Exception):
    """A program failed; the text says which, how, and what it wrote to stderr."""


def call(command, env=None, cwd=None, timeout=TIMEOUT_S, row=None, both=False):
    """Runs a command to its end and returns its stdout, or both stdout and stderr; row is what it
    was asked to measure."""
    shown = " ".join(str(part) for part in command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    except subprocess.TimeoutExpired:
        raise Crashed(f"{shown}: did not end within {timeout} s") from None
    except OSError as error:
        raise Crashed(f"{shown}: {error.strerror}") from None
    if row and done.returncode == ROW_NOT_OFFERED:
        raise Missing(f"{Path(command[0]).name} does not offer {row}")
    if done.returncode != 0:
        how = (f"killed by signal {-done.returncode}" if done.returncode < 0
               else f"exit code {done.returncode}")
        raise Crashed(f"{shown}: {how}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout + done.stderr if both else done.stdout


def package_version(package):
    try:
        shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                               capture_output=True, text=True, check=False)
    except OSError:
        return "?"
    return shown.stdout or "?"


def build_once(name, sources, command, env=None, cwd=None):
    """Runs the build command unless the same command has run over the same sources."""
    stamp = OUT / f"{name}.stamp"
    state = json.dumps([[str(part) for part in command],
                        [[str(path), path.stat().st_mtime_ns] for path in sorted(sources)]])
    if stamp.exists() and stamp.read_text() == state:
        return
    OUT.mkdir(parents=True, exist_ok=True)
    call(command, env, cwd, timeout=900)
    stamp.write_text(state)


class Program:
    """A program that speaks the protocol of bench/README.md."""

    name = ""
    needs = {}  # path or command -> the Debian package that brings it
    shown_packages = ()  # packages whose versions are printed

    def require(self):
        absent = [package for thing, package in self.needs.items()
                  if not (glob.glob(thing) or shutil.which(thing))]
        if absent:
            raise Missing(f"{self.name}: apt-get install {' '.join(absent)}")

    def prepare(self):
        """Builds the program; Missing when what it needs is not installed."""
        self.require()
        self.build()

    def build(self):
        pass

    def command(self):
        raise NotImplementedError

    def env(self):
        return {}

    def version(self):
        own = call([*self.command(), "--version"], self.env()).strip()
        return ", ".join([own, *(f"{package} {package_version(package)}"
                                 for package in self.shown_packages)])

    def measure(self, row, env=None):
        """Asks for one row; returns {line: (value, unit)}."""
        lines = {}
        env = {**self.env(), **(env or {})}
        for line in call([*self.command(), row], env, row=row).splitlines():
            try:
                report = json.loads(line)
                lines[report["row"]] = (float(report["value"]), report["unit"])
            except (ValueError, KeyError, TypeError):
                raise Crashed(f"{self.name} {row}: not a line of the protocol: {line}") from None
        return lines


class CppPeer(Program):
    def __init__(self, name, source, compiler, libraries=(), needs=None, packages=()):
        self.name, self.source, self.compiler = name, PEERS / source, compiler
        self.libraries, self.shown_packages = libraries, packages
        self.needs = {compiler: "clang-19", **(needs or {})}

    def build(self):
        build_once(self.name, [self.source, PEERS / "peer.hpp"],
                   [self.compiler, "-std=c++20", "-O2", "-DNDEBUG", "-pthread", self.source,
                    "-o", OUT / self.name, *self.libraries])

    def command(self):
        return [str(OUT / self.name)]


class GoPeer(Program):
    """The Go rivals; with a tag, those that need a library beside Go itself."""

    libraries = {"puddle": ("golang-github-jackc-puddle-dev", "jackc/puddle"),
                 "backoff": ("golang-github-cenkalti-backoff-dev", "cenkalti/backoff"),
                 "pgx": ("golang-github-jackc-pgx-v4-dev", "jackc/pgx/v4")}

    def __init__(self, processors, tag=""):
        self.processors, self.tag = processors, tag
        self.name = f"go-{tag}" if tag else "go"
        self.needs = {"go": "golang-go"}
        if tag:
            package, folder = self.libraries[tag]
            self.needs[str(GOCODE / "src/github.com" / folder)] = package
            self.shown_packages = (package,)

    def build(self):
        # GOPATH mode: the libraries are Debian's, nothing is ever fetched.
        env = {"GO111MODULE": "off", "GOPATH": str(GOCODE), "GOCACHE": str(OUT / "gocache"),
               "GOFLAGS": "", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
        build_once(self.name, list((PEERS / "go").glob("*.go")),
                   ["go", "build", "-tags", self.tag, "-o", str(OUT / self.name)],
                   env, PEERS / "go")

    def command(self):
        return [str(OUT / self.name)]

    def env(self):
        return {"GOMAXPROCS": str(self.processors)}


class RustPeer(Program):
    name = "rust"
    crates = ("tokio", "tokio-util", "r2d2", "crossbeam-channel")
    needs = {"/usr/bin/cargo": "cargo", "/usr/bin/rustc": "rustc",
             **{f"{CRATES}/{crate}-[0-9]*": f"librust-{crate}-dev" for crate in crates}}
    shown_packages = tuple(f"librust-{crate}-dev" for crate in crates)

    def build(self):
        # A copy is built, because cargo writes a lock file beside the manifest. Debian's own
        # cargo, since the crates it packages fit its compiler; only their directory is a source.
        home, copy = OUT / "cargo-home", OUT / "rust"
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text('[source.crates-io]\nreplace-with = "debian"\n'
                                          f'[source.debian]\ndirectory = "{CRATES}"\n')
        shutil.copytree(PEERS / "rust", copy, dirs_exist_ok=True)
        env = {"CARGO_HOME": str(home), "RUSTC": "/usr/bin/rustc"}
        build_once(self.name, [path for path in (PEERS / "rust").rglob("*") if path.is_file()],
                   ["/usr/bin/cargo", "build", "--release", "--offline", "--target-dir",
                    str(OUT / "rust-target")], env, copy)

    def command(self):
        return [str(OUT / "rust-target" / "release" / "rustpeer")]

    def version(self):
        compiler = call(["/usr/bin/rustc", "--version"]).split(" (")[0].strip()
        return ", ".join([compiler, *(f"{crate} {package_version(f'librust-{crate}-dev')}"
                                      for crate in self.crates)])


class JavaPeer(Program):
    name = "java"
    needs = {"javac": "default-jdk-headless", JARS[0]: "libhikaricp-java",
             JARS[1]: "libslf4j-java", JARS[2]: "libslf4j-java"}
    shown_packages = ("libhikaricp-java",)

    def build(self):
        sources = list((PEERS / "java").glob("*.java"))
        build_once(self.name, sources,
                   ["javac", "-cp", ":".join(JARS), "-d", OUT / "java", *sources])

    def command(self):
        return ["java", "-cp", ":".join([str(OUT / "java"), *JARS]), "HikariPeer"]


class WeirBench(Program):
    """One of weir's own benchmark programs, built by CMake."""

    def __init__(self, name, build_dir):
        self.name, self.path = name, build_dir / "bench" / name

    def prepare(self):
        if not os.access(self.path, os.X_OK):
            raise Missing(f"{self.name} is not built")

    def command(self):
        return [str(self.path)]


class SqliteLoop(CppPeer):
    """The raw loop; a row is the `synchronous` setting."""

    def __init__(self, compiler, data_dir, seconds):
        super().__init__("sqlite_loop", "sqlite_loop.cpp", compiler, ["-lsqlite3"],
                         {"/usr/include/sqlite3.h": "libsqlite3-dev"})
        self.data_dir, self.seconds = data_dir, seconds

    def measure(self, row):
        figures = json.loads(call([*self.command(), "--db", str(self.data_dir / f"raw-{row}.db"),
                                   "--synchronous", row, "--seconds", str(self.seconds)]))
        return {line: (float(value), "") for line, value in figures.items()}


class WeirBank(Program):
    """`weir bank` on SQLite; a row is SYNCHRONOUS.cCLIENTS or SYNCHRONOUS.cCLIENTS.COMMIT."""

    name = "weir bank"

    def __init__(self, build_dir, data_dir, seconds):
        self.path = build_dir / "apps" / "weir" / "weir"
        self.data_dir, self.seconds = data_dir, seconds

    def prepare(self):
        if not os.access(self.path, os.X_OK):
            raise Missing("the program weir is not built")

    def command(self):
        return [str(self.path)]

    def measure(self, row):
        synchronous, clients, *commit = row.split(".")
        report = self.data_dir / f"weir-{row}.json"
        report.unlink(missing_ok=True)
        call([str(self.path), "bank", "--db", f"sqlite:{self.data_dir / f'weir-{row}.db'}",
              "--clients", clients.removeprefix("c"), "--commit", *(commit or ["alone"]),
              "--scale", "1", "--duration", f"{self.seconds:g}s",
              "--synchronous", synchronous, "--json", str(report)])
        try:
            figures = json.loads(report.read_text())
        except (OSError, ValueError) as error:
            raise Crashed(f"weir bank {row}: no report: {error}") from None
        return {line: (float(value), "") for line, value in figures.items()
                if isinstance(value, (int, float))}


def make(key, build_dir, compiler, data_dir, seconds):
    """The program of a Source: its key is a name, perhaps with @PROCESSORS."""
    name, _, processors = key.partition("@")
    if name.startswith("bench_"):
        return WeirBench(name, build_dir)
    if name in ("go", "go-puddle", "go-backoff"):
        return GoPeer(int(processors), name.removeprefix("go").lstrip("-"))

    def cpp(source, *libraries, needs=None, packages=()):
        return CppPeer(name, source, compiler, libraries, needs, packages)

    match name:
        case "floors":
            return cpp("floors.cpp")
        case "std":
            return cpp("std_peer.cpp")
        case "tbb":
            return cpp("tbb_peer.cpp", "-ltbb", needs={"/usr/include/tbb/tbb.h": "libtbb-dev"})
        case "fiber":
            return cpp("fiber_peer.cpp", "-lboost_fiber", "-lboost_context",
                       needs={"/usr/include/boost/fiber/fiber.hpp": "libboost-fiber-dev"})
        case "moodycamel":
            return cpp("moodycamel_peer.cpp", packages=("libconcurrentqueue-dev",), needs={
                "/usr/include/concurrentqueue/concurrentqueue.h": "libconcurrentqueue-dev"})
        case "rust":
            return RustPeer()
        case "java":
            return JavaPeer()
        case "sqlite_loop":
            return SqliteLoop(compiler, data_dir, seconds)
        case "weir_bank":
            return WeirBank(build_dir, data_dir, seconds)
    raise ValueError(f"rows.py names the unknown program {key}")
