#!/usr/bin/env python3
"""What `weir bank` promises on PostgreSQL, told as claims: postgres_test.py PROGRAM [CLAIM...]

To be run inside `tests/postgres/cluster with`; every claim has a folder of its own, and all share a
database, which the last one alters.
Without a CLAIM all of them are checked, but for those that take minutes:

  a_minute_with_three_kills      60 s, the server stopped as in a crash three times; with
                                 --fsync on it says how soon transfers go on
  a_minute_with_three_kills_and_early_release
                                 the same
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
sys.dont_write_bytecode = True

import bank_test  # noqa: E402
from bank_test import LIVE_LINE, Running, bank, journal_lines, sealed  # noqa: E402
from claims import check, folder  # noqa: E402

CLUSTER = HERE.parent / "postgres" / "cluster"
PSQL = "/usr/lib/postgresql/15/bin/psql"
CANARY = "hunter2-canary"
DATABASE = "claims"


def url(host="", user="weir", database="", parameters=""):
    """Without a password: that is in PGPASSFILE."""
    where = host or f"127.0.0.1:{os.environ['WEIR_PG_PORT']}"
    return f"postgres://{user}@{where}/{database or DATABASE}{parameters}"


def journal():
    return f"{DATABASE}.journal"


def sql(text, database=""):
    done = subprocess.run(
        [PSQL, "-h", os.environ["WEIR_PG_DIR"], "-p", os.environ["WEIR_PG_PORT"], "-U", "weir",
         "-d", database or DATABASE, "-XAtqv", "ON_ERROR_STOP=1", "-c", text],
        capture_output=True, text=True, check=False)
    check(done.returncode == 0, "psql fails", done.stderr)
    return done.stdout.strip()


def cluster(*words):
    done = subprocess.run([CLUSTER, *words], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"cluster {words} fails", done.stderr)


def figures_of(path="figures.json"):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


# ---- claims --------------------------------------------------------------------------------------

def a_run_passes_its_audit_and_fits_80_columns():
    done = bank("--db", url(), "--duration", "600ms", "--clients", "5", "--json", "figures.json")
    done.passes()
    for text in ("5 clients", "throughput", "server_version=15", "synchronous_commit=on", journal()):
        check(text in done.out, f"the report lacks '{text}'", done.shown)
    too_long = [line for line in (done.out + done.err).splitlines() if len(line) > 80]
    check(not too_long, "lines have more than 80 columns", "\n".join(too_long))
    figures = figures_of()
    check(figures["audit"]["passed"] and figures["synchronous_commit"] == "on", "", str(figures))
    check(figures["transfers"] == len(journal_lines(journal())) - 1, "a line each", str(figures))
    check(str(figures["transfers"]) == sql("SELECT count(*) FROM pgbench_history"), "a row each")
    bank("--db", url(), "--audit-only").passes()
    again = bank("--db", url(parameters="?options=-csynchronous_commit%3Doff"), "--duration", "50ms")
    again.passes()
    check("last run: PASS" in again.out, "the last run is audited first", again.shown)
    check("synchronous_commit=off" in again.out, "the address' options hold", again.shown)


def contention_on_serializable_is_repeated_and_counted():
    run = Running("--db", url(), "--isolation", "serializable", "--duration", "10m", "--clients",
                  "16", "--connections", "8", "--json", "figures.json")
    run.read_until(r"\s+\S+s(\s+\S+){4}\s+[1-9]")  # a second with retries
    run.send(signal.SIGTERM)
    done = run.finish().passes()
    figures = figures_of()
    check(figures["retries"].get("conflict", 0) > 0, "no conflict is counted", done.shown)
    check(figures["isolation"] == "serializable", "the isolation is told", done.shown)


class Proxy:
    """Between a bank and the server: cuts connections in the middle of a transfer, three times."""

    EXECUTE = b"E\0\0\0\x09\0\0\0\0\0"
    COMMITTED = b"COMMIT\0"

    def __init__(self, deliver):
        self.deliver = deliver  # whether the server still gets the transfer, or the cut comes first
        self.cuts = 3
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", int(os.environ["WEIR_PG_PORT"])))
            doomed = threading.Event()
            for half in (self.requests, self.answers):
                threading.Thread(target=half, args=(client, server, doomed), daemon=True).start()

    def takes_one(self):
        with self.lock:
            self.cuts -= 1
            return self.cuts >= 0

    def requests(self, client, server, doomed):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if data.count(self.EXECUTE) >= 5 and not doomed.is_set() and self.takes_one():
                    doomed.set()
                    if not self.deliver:
                        break
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def answers(self, client, server, doomed):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if doomed.is_set() and self.COMMITTED in data:
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)  # a close alone waits for the other thread's recv


def a_lost_answer_is_looked_up():
    for deliver, field in ((True, "had_happened"), (False, "had_not")):
        proxy = Proxy(deliver)
        run = Running("--db", url(f"127.0.0.1:{proxy.port}", parameters="?sslmode=disable"),
                      "--duration", "10m", "--clients", "3", "--json", "figures.json")
        run.read_until(r"\d+ clients? on ")
        while proxy.cuts > 0:
            run.goes_on()
            time.sleep(0.005)
        each_goes_on(run, 3)  # only after it has looked up what it lost
        run.send(signal.SIGTERM)
        done = run.finish().passes()
        unknown = figures_of()["unknown_commits"]
        check(unknown[field] == 3 and sum(unknown.values()) == 3, f"3 {field}", str(unknown))
        check("3 lost answers" in done.out, "the report tells them", done.shown)


def kills(duration, times, pause_s, *how):
    """Three times: as in a crash, down and up. How long after that the next transfer came."""
    run = Running("--db", url(), "--duration", duration, "--clients", "16", "--json",
                  "figures.json", *how)
    run.read_until(r"\d+ clients? on ")
    waits = []
    for _ in range(times):
        grown_from(run, 20_000)
        time.sleep(pause_s)
        cluster("down", "--immediate")
        time.sleep(pause_s / 4)
        cluster("up")
        size, begun = os.path.getsize(journal()), time.monotonic()
        grown_from(run, 1, size)
        waits.append(time.monotonic() - begun)
    if pause_s == 0:
        grown_from(run, 20_000)
        run.send(signal.SIGTERM)
    done = run.finish()
    print(done.shown)
    done.passes()
    print("first transfer after the server was back:", *(f"{s * 1000:.0f} ms" for s in waits))
    return waits


def grown_from(run, more, size=None):
    """Waits until the journal has so many bytes more."""
    if size is None:
        size = os.path.getsize(journal())
    while os.path.getsize(journal()) < size + more:
        run.goes_on()
        time.sleep(0.005)


def each_goes_on(run, clients):
    """Waits until each client has a transfer more in the journal."""
    before = len(journal_lines(journal()))
    while len({line[9:13] for line in journal_lines(journal())[before:] if len(line) > 22}) < clients:
        run.goes_on()
        time.sleep(0.005)


def a_killed_server_loses_nothing():
    kills("10m", 2, 0)


def a_killed_server_loses_nothing_that_released_its_locks_early():
    for commit in ("alone", "grouped"):
        kills("10m", 2, 0, "--early-release", "--commit", commit)


def a_minute_with_three_kills():
    waits = kills("60s", 3, 8)
    check(max(waits) <= 2, "the first transfer comes within 2 s", str(waits))


def a_minute_with_three_kills_and_early_release():
    waits = kills("60s", 3, 8, "--early-release")
    check(max(waits) <= 2, "the first transfer comes within 2 s", str(waits))


def what_cannot_be_reached_is_told_in_a_sentence():
    port = os.environ["WEIR_PG_PORT"]
    secret = f"weir:{CANARY}"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        for address, code, told in (
                (url(user=secret), 1, "password"),
                (url(user=f"nobody-known:{CANARY}"), 1, "password"),
                (url(host="no-such-host.invalid", user=secret), 1, "no-such-host.invalid"),
                (url(host=f"127.0.0.1:{closed.getsockname()[1]}", user=secret), 1, "server runs"),
                (url(database="no_such_database"), 1, "no_such_database"),
                (url(host=f"127.0.0.1:{port}x", user=secret), 2, "port"),
                (url(user=secret, parameters="?color=red"), 2, "color"),
                (url(user=secret, parameters="?sslmode=perhaps"), 1, "sslmode"),
                (url(user=secret, parameters="?passwort=%zz"), 2, "%"),
        ):
            done = bank("--db", address, "--duration", "50ms").complains(code, told)
            check(CANARY not in done.out + done.err, "a password is printed", done.shown)
    bank("--db", url(), "--synchronous", "full").complains(2, "synchronous_commit")
    bank("--early-release").complains(2, "--early-release is PostgreSQL's")
    bank("--db", url(), "--isolation", "chaos").complains(2, "read-committed")
    bank("--db", url(database="weir"), "--audit-only").complains(1, "no bank to audit")


def an_altered_row_fails_the_audit():
    bank("--db", url(), "--duration", "100ms").passes()
    for text, undo, told in (
            ("UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 7",
             "UPDATE pgbench_accounts SET abalance = abalance - 1 WHERE aid = 7", "account 7 has"),
            ("UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid IN (3, 4)",
             "UPDATE pgbench_tellers SET tbalance = tbalance - 1 WHERE tid IN (3, 4)", "1 more"),
            ("UPDATE pgbench_history SET aid = -aid", "UPDATE pgbench_history SET aid = -aid",
             "than acknowledged"),
    ):
        sql(text)
        bank("--db", url(), "--audit-only").fails(told)
        bank("--db", url(), "--duration", "50ms").fails(told)  # it refuses to go on
        sql(undo)
    bank("--db", url(), "--audit-only").passes()
    bank_test.append(sealed("00000000-0000-00000000 1 1 1 5"), journal())
    bank("--db", url(), "--audit-only").fails("not in the table: 1 transfer")


LONG = (a_minute_with_three_kills, a_minute_with_three_kills_and_early_release)
CLAIMS = [claim for name, claim in list(globals().items())
          if re.match(r"(a|an|contention|what)_", name) and callable(claim) and claim not in LONG]


def main():
    bank_test.PROGRAM = os.path.abspath(sys.argv[1])
    sql(f"CREATE DATABASE {DATABASE}", "weir")
    for name in sys.argv[2:] or [claim.__name__ for claim in CLAIMS]:
        begun = time.monotonic()
        with folder():
            globals()[name]()
        print(f"{name}: holds ({time.monotonic() - begun:.1f} s)", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as broken:
        print(f"FAILED: {broken}")
        sys.exit(1)
