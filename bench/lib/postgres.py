"""The PostgreSQL that the rows of the group postgres share: private, durable, and gone with us.

It also keeps the books: what a program says it has done is compared with what the server counted.
"""

import os
import re
import subprocess
import time
from pathlib import Path

from programs import ROOT, Crashed, GoPeer, Missing, Program, WeirBench, call

CLUSTER = ROOT / "tests" / "postgres" / "cluster"
BIN = Path("/usr/lib/postgresql/15/bin")
SCALE = 10  # branches: no fewer than pgbench's clients, as its documentation asks
END = "--"

# What the server counts of each kind of row: scans of the accounts' key, rows of the history.
COUNTERS = {
    "select": "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'pgbench_accounts'",
    "tpcb": "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'pgbench_history'",
}
ALONE = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'weir' AND pid <> pg_backend_pid()"


class Server:
    def __init__(self, data_dir):
        if not (BIN / "postgres").exists():
            raise Missing("postgres: apt-get install postgresql-15")
        os.chmod(data_dir, 0o711)  # the server is another user than root
        # It lives until its standard input ends, that is: as long as this process.
        self.process = subprocess.Popen(
            [CLUSTER, "with", "--fsync", "on", "--dir", data_dir, "sh", "-c",
             f"env; echo {END}; exec cat >/dev/null"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.env = {}
        for line in self.process.stdout:
            if line.rstrip("\n") == END:
                break
            name, _, value = line.rstrip("\n").partition("=")
            if name.startswith(("WEIR_PG_", "PGPASSFILE")):
                self.env[name] = value
        else:
            raise Crashed("postgres: the private server did not start")
        # TCP as between two machines, but without encryption, which would be measured with it.
        host, port = self.env["WEIR_PG_HOST"], self.env["WEIR_PG_PORT"]
        self.env |= {"PGHOST": host, "PGPORT": port, "PGUSER": "weir", "PGDATABASE": "weir",
                     "PGSSLMODE": "disable", "BENCH_PG_SCALE": str(SCALE),
                     "BENCH_PG_URL": f"postgres://weir@{host}:{port}/weir?sslmode=disable"}
        call([BIN / "pgbench", "-i", "-q", "-s", str(SCALE)], self.env)

    def ask(self, query):
        return int(call([BIN / "psql", "-XAtc", query], self.env))

    def quiet(self):
        """Waits until every backend is gone, which has told its statistics then."""
        for _ in range(500):
            if self.ask(ALONE) == 0:
                return
            time.sleep(0.01)
        raise Crashed("postgres: a connection is left open after its program has ended")

    def audited(self, name, row, run):
        """What run() answers, which has a line that ends in .count. Crashed if the server counted
        something else."""
        kind = next(kind for kind in COUNTERS if kind in row)
        self.quiet()
        before = self.ask(COUNTERS[kind])
        lines = run()
        self.quiet()
        counted = self.ask(COUNTERS[kind]) - before
        claimed = int(lines[row + ".count"][0])
        if counted != claimed:
            raise Crashed(f"{name} {row}: says that it did {claimed}, the server counted {counted}")
        return lines


class Audited(Program):
    """A program of the protocol whose rows the server counts along."""

    def __init__(self, inner, server, seconds, warm):
        self.inner, self.server, self.seconds, self.warm = inner, server, seconds, warm
        self.name = inner.name

    def prepare(self):
        self.inner.prepare()

    def version(self):
        return self.inner.version()

    def measure(self, row):
        env = {**self.server.env, "BENCH_SECONDS": f"{self.seconds:g}",
               "BENCH_WARM_SECONDS": f"{self.warm:g}"}
        return self.server.audited(self.name, row, lambda: self.inner.measure(row, env))


class Pgbench(Program):
    """PostgreSQL's own tool, as its documentation calls it; a row is pgbench.select or .tpcb."""

    name = "pgbench"
    needs = {str(BIN / "pgbench"): "postgresql-15"}
    logged = 0.1  # the share of transactions whose time is noted, for the percentile

    def __init__(self, server, data_dir, seconds, warm):
        self.server, self.folder = server, data_dir
        self.seconds, self.warm = max(1, round(seconds)), round(warm)  # it counts whole ones

    def version(self):
        return call([BIN / "pgbench", "--version"]).strip()

    def measure(self, row):
        return self.server.audited(self.name, row, lambda: self.run(row))

    def run(self, row):
        select = ["-S"] if row.endswith("select") else []
        for old in self.folder.glob("pgbench_log.*"):
            old.unlink()
        began = time.time()
        text = call([BIN / "pgbench", "-n", "-c8", "-j2", "-M", "prepared", *select, "-P", "1",
                     "-T", str(self.warm + self.seconds), "--log",
                     f"--sampling-rate={self.logged}"], self.server.env, self.folder, both=True)
        count = re.search(r"processed: (\d+)", text)
        each_second = [float(tps) for tps in re.findall(r"^progress: .* s, ([\d.]+) tps", text,
                                                        re.MULTILINE)]
        measured = each_second[self.warm:self.warm + self.seconds]
        if not count or not measured:
            raise Crashed(f"pgbench {row}: its output has no figures:\n{text}")
        us = sorted(int(fields[2]) for log in self.folder.glob("pgbench_log.*")
                    for fields in map(str.split, log.read_text().splitlines())
                    if int(fields[4]) >= began + self.warm)
        if not us:
            raise Crashed(f"pgbench {row}: its log is empty after {self.warm} s")
        return {row: (sum(measured) / len(measured), "tps"),
                row + ".p99": (us[len(us) * 99 // 100] / 1000, "ms"),
                row + ".count": (float(count[1]), "")}


KEYS = ("bench_postgres", "go-pgx@2", "pgbench")
servers = {}  # data folder -> Server or the exception that it could not be had for


def make(key, build_dir, data_dir, seconds, warm):
    """The program of a Source whose key is one of KEYS. The first one starts the server."""
    if data_dir not in servers:
        try:
            servers[data_dir] = Server(data_dir)
        except (Missing, Crashed) as failed:
            servers[data_dir] = failed
    server = servers[data_dir]
    if isinstance(server, Exception):
        raise server
    if key == "pgbench":
        return Pgbench(server, data_dir, seconds, warm)
    inner = GoPeer(2, "pgx") if key.startswith("go") else WeirBench(key, build_dir)
    return Audited(inner, server, seconds, warm)
