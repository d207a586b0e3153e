"""The rows of the benchmark: what is measured, beside whom, and what is to be reached.

This is the one place that describes a row. bench/README.md says how to add one.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """Where a figure comes from: a program (see programs.py), the row asked of it, the line of
    its answer that counts (default: the row itself), and what to divide it by, if anything."""

    program: str
    row: str
    line: str = ""
    over: "Source | Best | None" = None

    def invocations(self):
        yield self.program, self.row
        if self.over:
            yield from self.over.invocations()


@dataclass(frozen=True)
class Best:
    """The best of several lines of one answer: that with the highest median over all rounds, since
    the highest of one round is as much luck as merit. Its figure, or the number that it is for."""

    program: str
    row: str
    numbers: dict[str, int]  # line -> what it is for
    which: bool = False

    def invocations(self):
        yield self.program, self.row

    def each_line(self):
        return (Source(self.program, self.row, line) for line in self.numbers)


@dataclass(frozen=True)
class Row:
    id: str
    about: str
    unit: str
    weir: "Source | Best"
    rivals: dict[str, Source] = field(default_factory=dict)
    better: str = "lower"
    goal: float | None = None
    floor: "Source | float | None" = None
    floor_name: str = ""

    @property
    def group(self):
        return self.id.split(".")[0]

    def sources(self):
        yield "weir", self.weir
        yield from self.rivals.items()
        if isinstance(self.floor, Source):
            yield "floor", self.floor


GROUPS = {
    "stopper": "enter and leave a stopper; how soon a stop returns",
    "spawn": "tracked spawn + join, batches of 1,000; wall time per task",
    "context": "create and cancel a child context; cancel 1,000 children, each",
    "pool": "acquire + release; wall time over all users. queued: 64 on 10, the holder yields",
    "channel": "round trip over two unbuffered channels; one value through a buffered one",
    "timers": "1,000,000 sleepers of 1-100 ms, and the memory of each",
    "retry": "decide on a backoff and arm it; 100,000 loops that wait; a budget they share",
    "bank": "TPC-B-like transfers on SQLite beside a raw single-threaded loop",
    "sqlite": "the same transfers, those of 64 clients committed in groups",
    "postgres": "64 callers on a durable PostgreSQL 15, beside pgbench -c8 -j2 -M prepared",
}

ALIASES = {"lifecycle": ("stopper", "spawn", "context"), "sleepers": ("timers",)}

LOCKED = dict(floor=Source("floors", "locked"), floor_name="two locked instructions, of a pool with a lock")


def bench(row, line="", over=None):
    """weir's side: the row of the same id in bench_GROUP."""
    return Source("bench_" + row.split(".")[0], row, line, over)


def stopper_rows():
    counter = dict(floor=Source("floors", "counter"), floor_name="a counter of one thread")
    for name, about in (("1caller", "enter + leave, one worker"),
                        ("2callers", "the same on two workers at once, time of each")):
        row = f"stopper.enter.{name}"
        yield Row(row, about, "ns", bench(row), goal=2, **counter, rivals={
            "cockroach": Source("go@2", row),
            "rwlock": Source("std", f"shared_mutex.{name}"),
            "mutex": Source("std", f"mutex_count.{name}")})
    yield Row("stopper.stop", "the last task ends -> stop returns", "us", bench("stopper.stop"),
              goal=50, floor=Source("floors", "wake"), floor_name="a wake-up of a sleeping thread",
              rivals={"cockroach": Source("go@2", "stopper.stop")})
    yield Row("stopper.snapshot", "a snapshot of 100,000 live tasks", "ms",
              bench("stopper.snapshot"), goal=50)
    yield Row("stopper.snapshot.beside", "enter + leave beside it, the 99.9th of a hundred", "us",
              bench("stopper.snapshot.beside"))


def spawn_rows():
    for name, processors, spawners, tbb, goal in (
            ("1worker", 1, "1spawner", "tbb.1thread", 20),
            ("2workers.1spawner", 2, "1spawner", "tbb.2threads", 70),
            ("2workers.2spawners", 2, "2spawners", "tbb.2spawners", 70)):
        row = f"spawn.{name}"
        yield Row(row, "batch of 1,000 tracked tasks, per task", "ns", bench(row), goal=goal,
                  floor=Source("floors", "coroutine"), floor_name="a coroutine frame, run once",
                  rivals={"cockroach": Source(f"go@{processors}", f"stopper.{spawners}"),
                          "go": Source(f"go@{processors}", f"goroutine.{spawners}"),
                          "tokio": Source("rust", f"tokio.{spawners}.p{processors}"),
                          "tbb": Source("tbb", tbb),
                          "thread": Source("std", "thread.spawn")})
    yield Row("spawn.named", "how much more a tracked task costs than one without name and site",
              "ns", bench("spawn.named"), goal=10)


def context_rows():
    yield Row("context.child", "child of a live parent: create + cancel", "ns",
              bench("context.child"), goal=30,
              floor=Source("floors", "link"), floor_name="list link + unlink, two exchanges",
              rivals={"go.1p": Source("go@1", "context.child"),
                      "go.2p": Source("go@2", "context.child"),
                      "tokio": Source("rust", "tokio.child"),
                      "std": Source("std", "stop_source.child")})
    yield Row("context.cancel", "cancel a parent of 1,000, per child", "ns",
              bench("context.cancel"), goal=10,
              floor=Source("floors", "walk"), floor_name="one flag set per list node",
              rivals={"go.1p": Source("go@1", "context.cancel"),
                      "go.2p": Source("go@2", "context.cancel"),
                      "tokio": Source("rust", "tokio.cancel"),
                      "std": Source("std", "stop_source.cancel")})


def pool_rivals(name, line="", over="", processors=2):
    """Every rival's row of this name; line and over are endings of the row."""
    programs = {"hikari": ("java", "hikari"), "puddle": (f"go-puddle@{processors}", "puddle"),
                "go-sql": (f"go@{processors}", "sql"), "r2d2": ("rust", "r2d2"),
                "mutex": ("std", "mutex")}
    for rival, (program, prefix) in programs.items():
        row = f"{prefix}.{name}"
        divisor = Source(program, row, row + over) if over else None
        yield rival, Source(program, row, row + line, divisor)


def pool_rows():
    for name, about, goal in (("1user", "one user, one resource", 20),
                              ("2on2", "two users, two resources, two workers", 25),
                              ("64on10", "64 users, ten resources, two workers", 60)):
        row = f"pool.{name}"
        yield Row(row, about, "ns", bench(row), dict(pool_rivals(name)), goal=goal, **LOCKED)
    yield Row("pool.64on10.1p", "the same on one worker (GOMAXPROCS=1)", "ns",
              bench("pool.64on10.1p"), goal=60, **LOCKED,
              rivals={rival: source for rival, source in pool_rivals("64on10", processors=1)
                      if source.program.endswith("@1")})
    queued = "pool.queued"
    yield Row(queued, "64 on 10, the holder yields once: everybody queues", "ns",
              bench(queued), dict(pool_rivals("queued")))
    for line, about, unit, goal in (
            (".wait_p50", "how long an acquire waits, median", "us", None),
            (".wait_p99", "the same, 99th percentile", "us", None),
            (".wait_max", "the same, longest", "us", None),
            (".inversions", "overtaken by an acquire 64 or more later", "/1000", 0)):
        yield Row(queued + line, about, unit, bench(queued, queued + line),
                  dict(pool_rivals("queued", line)), goal=goal)
    yield Row(queued + ".wait_ratio", "99th percentile over median", "x",
              bench(queued, queued + ".wait_p99", bench(queued, queued + ".wait_p50")),
              dict(pool_rivals("queued", ".wait_p99", ".wait_p50")), goal=2)


def channel_rows():
    for processors, name in ((1, "1worker"), (2, "2workers")):
        row = f"channel.unbuffered.{name}"
        rivals = {"go": Source(f"go@{processors}", "channel.unbuffered"),
                  "tokio": Source("rust", f"tokio.unbuffered.p{processors}")}
        if processors == 1:
            rivals["boost"] = Source("fiber", "fiber.unbuffered")
        yield Row(row, "round trip with a live context", "ns", bench(row), rivals, goal=110,
                  floor=76, floor_name="a prototype without a context (fixed)")
    for processors, name in ((1, "1worker"), (2, "2workers")):
        row = f"channel.buffered.{name}"
        rivals = {"go": Source(f"go@{processors}", "channel.buffered"),
                  "tokio": Source("rust", f"tokio.buffered.p{processors}")}
        if processors == 2:
            rivals["crossbeam"] = Source("rust", "crossbeam.buffered")
        yield Row(row, "one value, one sender to one receiver, capacity 1,024", "ns", bench(row),
                  rivals, goal=20, floor=Source("moodycamel", "moodycamel.buffered"),
                  floor_name="moodycamel::ConcurrentQueue, two threads")


def timers_rows():
    for processors, name in ((1, "1worker"), (2, "2workers")):
        row = f"timers.{name}"
        yield Row(row, "wall time of a million sleepers", "s", bench(row), goal=0.4,
                  floor=0.1, floor_name="the longest sleep (fixed)",
                  rivals={"go": Source(f"go@{processors}", "timers.million"),
                          "tokio": Source("rust", f"tokio.million.p{processors}")})
    yield Row("timers.bytes", "resident memory of a million that sleep at once, each", "B",
              bench("timers.bytes"), goal=250,
              rivals={"go": Source("go@2", "timers.bytes"),
                      "tokio": Source("rust", "tokio.bytes.p2")})


def retry_rows():
    yield Row("retry.arm", "decide on a wait, watch the context, arm a timer", "ns",
              bench("retry.arm"), goal=60, floor=Source("floors", "clock"),
              floor_name="one look at the clock",
              rivals={"go": Source("go@1", "retry.arm"),
                      "cenkalti": Source("go-backoff@1", "cenkalti.arm")})
    yield Row("retry.call", "a call that succeeds at once, in retry_call", "ns",
              bench("retry.call"))
    for line, about, goal in ((".beyond", "100,000 loops that wait: each, beyond a task that sleeps",
                               300),
                              ("", "the same with its task", None)):
        yield Row("retry.bytes" + line, about, "B", bench("retry.bytes", "retry.bytes" + line),
                  goal=goal, rivals={} if line else {"go": Source("go@2", "retry.bytes")})
    yield Row("retry.stop", "a stop until the last of 100,000 loops has ended", "ms",
              bench("retry.stop"), goal=50, rivals={"go": Source("go@2", "retry.stop")})
    yield Row("retry.budget.earn", "a first try pays in, nobody contends", "ns",
              bench("retry.budget.earn"), goal=6)
    yield Row("retry.budget.spend", "a retry withdraws, nobody contends", "ns",
              bench("retry.budget.spend"), goal=6,
              rivals={"mutex": Source("std", "mutex_budget.spend"),
                      "go": Source("go@1", "retry.budget.atomic"),
                      "go-mutex": Source("go@1", "retry.budget.mutex")})
    yield Row("retry.budget.2threads", "earn + spend, two threads at once, exact to the token",
              "ns", bench("retry.budget.2threads"),
              rivals={"mutex": Source("std", "mutex_budget.2threads")})
    yield Row("retry.breaker", "enter and settle a closed breaker", "ns", bench("retry.breaker"))


def bank_rows():
    for synchronous in ("normal", "full"):
        raw = Source("sqlite_loop", synchronous, "tps")
        for clients in (1, 8, 64):
            row = f"bank.sqlite.{synchronous}.c{clients}"
            ask = f"{synchronous}.c{clients}"
            weir = Source("weir_bank", ask, "tps")
            yield Row(row, f"{clients} clients, synchronous={synchronous}", "tps", weir,
                      {"raw": raw}, better="higher")
            goal = 0.75 if synchronous == "normal" and clients != 8 else None
            yield Row(row + ".ratio", "share of the raw loop's throughput", "x",
                      Source("weir_bank", ask, "tps", raw), better="higher", goal=goal)
            yield Row(row + ".p99", "transfer time, 99th percentile", "ms",
                      Source("weir_bank", ask, "p99_ms"),
                      {"raw": Source("sqlite_loop", synchronous, "p99_ms")},
                      goal=60 if goal and clients == 64 else None)
            if clients > 1:
                yield Row(row + ".fewest", "fewest transfers of any client (0: starved)", "",
                          Source("weir_bank", ask, "min_client_transfers"), better="higher",
                          goal=1)


def sqlite_rows():
    for synchronous, goal in (("normal", 1.3), ("full", 4)):
        raw = Source("sqlite_loop", synchronous, "tps")
        ask = f"{synchronous}.c64.grouped"
        row = "sqlite." + ask
        yield Row(row, f"64 clients in groups, synchronous={synchronous}", "tps",
                  Source("weir_bank", ask, "tps"), {"raw": raw}, better="higher")
        yield Row(row + ".ratio", "share of the raw loop's throughput", "x",
                  Source("weir_bank", ask, "tps", raw), better="higher", goal=goal)
        yield Row(row + ".p99", "transfer time, 99th percentile", "ms",
                  Source("weir_bank", ask, "p99_ms"),
                  {"raw": Source("sqlite_loop", synchronous, "p99_ms")}, goal=60)
        yield Row(row + ".fewest", "fewest transfers of any client (0: starved)", "",
                  Source("weir_bank", ask, "min_client_transfers"), better="higher", goal=1)


def postgres_rows():
    for name, rival, about, goal in (
            ("select", "select", "a select by key: the pipelined lane", 4),
            ("select.merged", "select", "the same, those of one text merged into one", 4),
            ("tpcb.steps", "tpcb", "TPC-B-like transaction, statement by statement", None),
            ("tpcb.script", "tpcb", "the same as a script: one round trip", 2),
            ("tpcb.early", "tpcb", "the same, locks released before it is on the disk", 2),
            ("tpcb.group", "tpcb", "the same by group commit", 8)):
        row = f"postgres.{name}"
        pgbench = Source("pgbench", f"pgbench.{rival}")
        rivals = {"pgbench": pgbench, "pgx": Source("go-pgx@2", f"pgx.{rival}")}
        if rival == "tpcb":
            rivals["pgx-batch"] = Source("go-pgx@2", "pgx.tpcb.batch")
        yield Row(row, about, "tps", bench(row), rivals, better="higher")
        yield Row(row + ".ratio", "share of pgbench's throughput", "x", bench(row, over=pgbench),
                  {name: Source(rival.program, rival.row, over=pgbench)
                   for name, rival in rivals.items() if rival is not pgbench},
                  better="higher", goal=goal)
        yield Row(row + ".p99", "time of one, 99th percentile", "ms", bench(row, row + ".p99"),
                  {name: Source(rival.program, rival.row, rival.row + ".p99")
                   for name, rival in rivals.items()}, goal=10 if rival == "select" else None)
    yield Row("postgres.select.leased", "the same with a connection for each while it runs", "tps",
              bench("postgres.select.leased"), better="higher")
    for name in ("select", "tpcb"):
        row = f"postgres.{name}.limit"
        fixed = {f"{row}.fixed.{size}": size for size in (1, 2, 3, 4, 6, 8, 16)}
        best = Best("bench_postgres", row, fixed)
        yield Row(row, "adaptive limit: share of the best fixed number's throughput", "x",
                  bench(row, over=best), better="higher", goal=0.9)
        yield Row(row + ".best_at", "that fixed number", "",
                  Best("bench_postgres", row, fixed, which=True))


ROWS = [row for rows in (stopper_rows, spawn_rows, context_rows, pool_rows, channel_rows,
                         timers_rows, retry_rows, bank_rows, sqlite_rows,
                         postgres_rows) for row in rows()]


def select(names):
    """The rows that the names choose: a group, an alias of one, or the beginning of an id.
    Raises LookupError naming the first name that chooses nothing."""
    if not names:
        return ROWS
    chosen = set()
    for name in names:
        prefixes = ALIASES.get(name, (name,))
        hits = {row.id for row in ROWS if row.id.startswith(prefixes)}
        if not hits or not name:
            raise LookupError(name)
        chosen |= hits
    return [row for row in ROWS if row.id in chosen]
