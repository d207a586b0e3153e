#!/usr/bin/env python3
"""What `weir bank` promises, told as claims: bank_test.py PROGRAM CLAIM

A claim is a function of this file. Nothing is measured: what needs a moment in the middle of a run
waits for a line of its output.
"""

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from claims import check, folder  # noqa: E402

PROGRAM = ""
LIVE_LINE = re.compile(r"\s+(\d+s|\dm)\s+[\d,]+\s")
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.last = out.rstrip("\n").rsplit("\n", 1)[-1]
        self.shown = f"exit code {code}\n--- stdout\n{out}--- stderr\n{err}---"

    def passes(self, code=0):
        check(self.code == code, f"the exit code is not {code}", self.shown)
        check(self.last.startswith("audit: PASS "), "the last line is no PASS", self.shown)
        return self

    def fails(self, *texts):
        check(self.code == 1, "the exit code is not 1", self.shown)
        check(self.last.startswith("audit: FAIL "), "the last line is no FAIL", self.shown)
        for text in texts:
            check(text in self.out, f"nothing says '{text}'", self.shown)
        return self

    def complains(self, code, *texts):
        check(self.code == code, f"the exit code is not {code}", self.shown)
        lines = [line for line in self.err.splitlines() if not line.startswith("try '")]
        check(len(lines) == 1, "it is not one sentence on stderr", self.shown)
        for text in texts:
            check(text in lines[0], f"the sentence lacks '{text}'", self.shown)
        return self


def bank(*args, prefix=(), **how):
    done = subprocess.run([*prefix, PROGRAM, "bank", *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **how)
    return Outcome(done.returncode, done.stdout, done.stderr)


class Running:
    """A bank in the middle of its run, whose output is read line by line."""

    def __init__(self, *args):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([PROGRAM, "bank", *args], stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, stdin=subprocess.DEVNULL)
        self.out = ""

    def read_until(self, pattern):
        for line in self.process.stdout:
            self.out += line
            if re.match(pattern, line):
                return line
        raise AssertionError(f"no line like '{pattern}'\n{self.finish().shown}")

    def goes_on(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the run has ended\n{self.finish().shown}")

    def send(self, number):
        self.process.send_signal(number)

    def finish(self):
        self.out += self.process.stdout.read()
        code = self.process.wait()
        self.errors.seek(0)
        return Outcome(code, self.out, self.errors.read())


def sql(text, file="bank.db"):
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as database:
        rows = database.execute(text).fetchall()
        database.commit()
        return rows


def journal_lines(file="bank.db.journal"):
    with open(file, encoding="ascii") as lines:
        return lines.read().splitlines()


def append(text, file="bank.db.journal"):
    with open(file, "a", encoding="ascii") as journal:
        journal.write(text)


def sealed(line):
    """The line with its checksum, as the journal's format says."""
    value = 2166136261
    for byte in line.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return f"{line} {value:08x}\n"


# ---- claims --------------------------------------------------------------------------------------

def a_run_passes_its_audit_and_fits_80_columns():
    done = bank("--duration", "1200ms", "--clients", "5", "--seed", "7", "--json", "figures.json")
    done.passes()
    for text in ("seed 7", "5 clients", "throughput", "p99", "retries", "writers", "synchronous=normal"):
        check(text in done.out, f"the report lacks '{text}'", done.shown)
    check(LIVE_LINE.search(done.out), "there is no live line", done.shown)
    check("\033" not in done.out and "\r" not in done.out, "a pipe gets plain lines", done.shown)
    too_long = [line for line in (done.out + done.err).splitlines() if len(line) > 80]
    check(not too_long, "lines have more than 80 columns", "\n".join(too_long))

    with open("figures.json", encoding="utf-8") as file:
        figures = json.load(file)
    for field in ("tps", "p50_ms", "p95_ms", "p99_ms", "clients", "min_client_transfers",
                  "max_client_transfers"):
        check(isinstance(figures.get(field), (int, float)), f"no number '{field}'", str(figures))
    check(figures["clients"] == 5 and figures["seed"] == 7, "clients and seed", str(figures))
    check(figures["audit"]["passed"] and figures["exit_code"] == 0, "the verdict", str(figures))
    check(figures["transfers"] == len(journal_lines()) - 1, "a line per transfer", str(figures))
    check(figures["transfers"] == sql("SELECT count(*) FROM pgbench_history")[0][0],
          "a row per transfer", str(figures))

    bank("--audit-only").passes()
    again = bank("--duration", "100ms", "--synchronous", "full", "--commit", "grouped").passes()
    check("last run: PASS" in again.out, "the last run is audited first", again.shown)
    check("synchronous=full" in again.out, "the pragma is the one asked for", again.shown)


def on_a_terminal(*args, **environment):
    """What a terminal of 80 columns gets to see."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([PROGRAM, "bank", *args], stdout=slave, stdin=subprocess.DEVNULL,
                               env={**os.environ, **environment})
    os.close(slave)
    seen = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while chunk := os.read(master, 65536):
            seen += chunk
    os.close(master)
    check(process.wait() == 0, "it fails", seen.decode())
    return seen.decode().replace("\r\n", "\n")


def a_terminal_gets_a_bar_and_colours_unless_they_are_unwanted():
    seen = on_a_terminal("--duration", "50ms", TERM="xterm", NO_COLOR="")
    check("\rloading [" in seen, "there is no bar", seen)
    check("\033[1;32maudit: PASS" in seen, "there is no colour", seen)
    for environment in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""}):
        seen = on_a_terminal("--duration", "50ms", **environment)
        check("\033" not in seen, f"colours with {environment}", seen)
        for line in re.split(r"[\r\n]", seen):
            check(len(line) < 80, "a line has 80 columns or more", line)


def a_signal_drains_reports_and_passes():
    for number in (signal.SIGTERM, signal.SIGINT):
        run = Running("--duration", "10m")
        run.read_until(LIVE_LINE)
        run.send(number)
        done = run.finish().passes()
        for text in ("shutdown of 'bank': clean", number.name):
            check(text in done.out, f"the report lacks '{text}'", done.shown)


def a_second_signal_cancels_what_does_not_drain():
    run = Running("--duration", "10m", "--drain", "5m", "--clients", "3")
    run.read_until(LIVE_LINE)
    with contextlib.closing(sqlite3.connect("bank.db", timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")  # every transfer waits for this
        run.read_until(r"\s+\S+\s+0\s+-\s")
        run.send(signal.SIGTERM)
        # It says each second that it waits; two signals at once would be one.
        while "draining" not in tail_of(run.errors):
            check(run.process.poll() is None, "it drained in spite of the lock", run.out)
        run.send(signal.SIGTERM)
        done = run.finish()
    done.passes(code=3)
    check("shutdown of 'bank': forced" in done.out, "the report says forced", done.shown)


def tail_of(file):
    return os.pread(file.fileno(), 4096, 0).decode()


def killed(*args):
    done = bank("--duration", "10m", *args)
    check(done.code == -signal.SIGKILL, "it was not killed", done.shown)


def a_kill_loses_nothing():
    seed = int(os.environ.get("WEIR_BANK_SEED", "20240611"))
    print(f"seed {seed} (WEIR_BANK_SEED=N for another)")
    choose = random.Random(seed)
    for round_number in range(10):
        kind = ("--test-kill-in-commit", "--test-kill-after-log", "lines")[round_number % 3]
        moment = choose.randint(1, 400)
        clients = choose.choice((1, 3, 16))
        commit = ("alone", "grouped")[round_number % 2]
        options = ["--clients", str(clients), "--seed", str(choose.randint(0, 1 << 30)),
                   "--commit", commit]
        print(f"round {round_number}: {kind} {moment}, {' '.join(options)}", flush=True)
        if kind != "lines":
            killed(kind, str(moment), *options)
        else:
            run = Running("--duration", "10m", *options)
            run.read_until(r"\d+ clients? on ")
            # Between two commits, or in one: wherever it is when the journal is that long.
            while run.process.poll() is None and os.path.getsize("bank.db.journal") < 50 * moment:
                pass
            run.send(signal.SIGKILL)
            check(run.finish().code == -signal.SIGKILL, "it was not killed", run.out)
        acknowledged = len([line for line in journal_lines()[1:]])
        done = bank("--duration", "50ms").passes()
        check("last run: PASS" in done.out, "what the killed one left is audited", done.shown)
        most = (moment - 1) * (clients if commit == "grouped" else 1)
        check(kind == "lines" or acknowledged <= most, "the commit killed in is not acknowledged",
              f"{acknowledged} lines, killed in commit {moment}")


def a_killed_load_begins_anew():
    run = Running("--scale", "3", "--duration", "10m")
    run.read_until("loading")
    run.send(signal.SIGKILL)
    run.finish()
    done = bank("--scale", "2", "--duration", "50ms").passes()
    check("loaded 200,000 accounts" in done.out, "it loads anew", done.shown)
    check(", scale 2" in done.out, "with the scale asked for", done.shown)
    bank("--scale", "3", "--duration", "50ms").complains(1, "--scale 2", "--db")
    done = bank("--duration", "50ms").passes()
    check(", scale 2" in done.out, "without --scale it is the file's", done.shown)


def an_altered_row_fails_the_audit():
    bank("--duration", "200ms").passes()
    tid, bid, aid, delta = sql("SELECT tid, bid, aid, delta FROM pgbench_history WHERE delta <> 0"
                               " AND rowid = (SELECT min(rowid) FROM pgbench_history"
                               " WHERE delta <> 0)")[0]
    alterations = [
        (f"UPDATE pgbench_accounts SET abalance = abalance + ? WHERE aid = {aid}", f"account {aid} has"),
        (f"UPDATE pgbench_tellers SET tbalance = tbalance + ? WHERE tid = {tid}", f"teller {tid} has"),
        (f"UPDATE pgbench_branches SET bbalance = bbalance + ? WHERE bid = {bid}", f"branch {bid} has"),
        ("UPDATE pgbench_history SET delta = delta + ? WHERE rowid = 1", "than acknowledged"),
        ("UPDATE pgbench_history SET aid = aid + ? WHERE rowid = 1", "than acknowledged"),
    ]
    for text, told in alterations:
        sql(text.replace("?", "1"))
        bank("--audit-only").fails(told)
        bank("--duration", "50ms").fails(told)  # it refuses to go on
        sql(text.replace("?", "-1"))
        bank("--audit-only").passes()
    # The sums stay as they are.
    sql("UPDATE pgbench_accounts SET abalance = abalance + CASE aid WHEN 1 THEN 1 ELSE -1 END"
        " WHERE aid IN (1, 2)")
    bank("--audit-only").fails("account 1 has", "1 more")
    sql("UPDATE pgbench_accounts SET abalance = abalance - CASE aid WHEN 1 THEN 1 ELSE -1 END"
        " WHERE aid IN (1, 2)")
    sql("INSERT INTO pgbench_history SELECT * FROM pgbench_history WHERE rowid = 1")
    bank("--audit-only").fails("more than once in the history")
    sql("DELETE FROM pgbench_history WHERE rowid = (SELECT max(rowid) FROM pgbench_history)")
    sql(f"DELETE FROM pgbench_accounts WHERE abalance = 0 AND aid <> {aid}"
        " AND aid = (SELECT min(aid) FROM pgbench_accounts WHERE abalance = 0)")
    bank("--audit-only").fails("rows are missing")


def a_journal_line_too_many_fails_the_audit():
    bank("--duration", "200ms").passes()
    lines = journal_lines()
    with open("bank.db.journal", "rb") as file:
        whole = file.read()

    def audited_with(text):
        with open("bank.db.journal", "wb") as file:
            file.write(whole)
        append(text)
        return bank("--audit-only")

    audited_with("").passes()
    audited_with(sealed("00000000-0000-00000000 1 1 1 5")).fails("not in the table: 1 transfer")
    audited_with(lines[-1] + "\n").fails("more than once in the journal")
    audited_with(lines[-1]).fails("more than once in the journal")  # whole, if without its newline
    audited_with(lines[-1][:-1] + "\n").fails("damaged")
    audited_with("\n").fails("damaged")
    # What a kill in the middle of a write leaves.
    audited_with(lines[-1][:-1]).passes()
    done = bank("--duration", "50ms").passes()
    check("cut off" in done.out, "the torn line is told", done.shown)

    # A lost transfer, taken out of all four tables as if it had never been.
    row, tid, bid, aid, delta = sql("SELECT rowid, tid, bid, aid, delta FROM pgbench_history"
                                    " ORDER BY rowid DESC LIMIT 1")[0]
    sql(f"DELETE FROM pgbench_history WHERE rowid = {row}")
    sql(f"UPDATE pgbench_accounts SET abalance = abalance - {delta} WHERE aid = {aid}")
    sql(f"UPDATE pgbench_tellers SET tbalance = tbalance - {delta} WHERE tid = {tid}")
    sql(f"UPDATE pgbench_branches SET bbalance = bbalance - {delta} WHERE bid = {bid}")
    bank("--audit-only").fails("not in the table: 1 transfer")
    os.remove("bank.db")
    bank("--duration", "50ms").complains(1, "restore the database, or delete the journal")


def wrong_usage_is_told_in_a_sentence():
    wrong = [
        (["--cleints", "3"], "did you mean '--clients'"),
        (["--frobnicate=yes"], "unknown option '--frobnicate'"),
        (["--clients", "0"], "--clients: 0 is out of range"),
        (["--clients", "-3"], "--clients: -3 is out of range"),
        (["--clients", "99999999999999999999"], "out of range"),
        (["--clients", "many"], "'many' is not a whole number"),
        (["--scale", "0"], "--scale: 0 is out of range"),
        (["--duration", "-5s"], "'-5s' is negative"),
        (["--duration=-5s"], "'-5s' is negative"),
        (["--duration", "0s"], "too short"),
        (["--duration", "5"], "no unit"),
        (["--duration", "5parsec"], "not a unit"),
        (["--duration", "soon"], "not a duration"),
        (["--drain", "-1ms"], "--drain: '-1ms' is negative"),
        (["--duration"], "--duration needs a value"),
        (["--connections", "--duration", "5s"], "--connections needs a value"),
        (["--synchronous", "off"], "normal or full"),
        (["--db", "bank.db"], "sqlite:"),
        (["--db", "mysql://alice:hunter2@host/bank"], "'mysql' is unknown; known are sqlite"),
        (["--db", "sqlite::memory:"], "name a file"),
        (["--db", "sqlite:bank.db?color=red"], "unknown parameter 'color'"),
        (["--json", ""], "--json: it is empty"),
        (["surplus"], "'surplus' belongs to no option"),
    ]
    for args, told in wrong:
        done = bank(*args).complains(2, told)
        check(done.out == "", "stdout stays empty", done.shown)
        check("hunter2" not in done.err, "a password is printed", done.shown)
    check(os.listdir(".") == [], "nothing is made", str(os.listdir(".")))

    for args, told in ([[], "which command"], [["bnak"], "did you mean 'bank'"],
                       [["--verbose"], "unknown option '--verbose'"]):
        done = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
        check(done.returncode == 2 and told in done.stderr, f"{args}: {told}", done.stderr)
    for args in (["--help"], ["bank", "--help"], ["bank", "-h"], ["--version"]):
        done = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
        check(done.returncode == 0 and done.stderr == "" and done.stdout, str(args), done.stderr)
        check(all(len(line) <= 80 for line in done.stdout.splitlines()), "80 columns", done.stdout)
    shown = bank("--help").out
    for option in ("--db", "--clients", "--duration", "--scale", "--connections", "--synchronous",
                   "--commit", "--isolation", "--drain", "--cancel", "--seed", "--journal", "--json", "--audit-only"):
        check(f"\n  {option} " in shown, f"the help lacks {option}", shown)


def a_file_that_cannot_be_used_is_told_in_a_sentence():
    with open("text.db", "w", encoding="ascii") as file:
        file.write("this is no database\n" * 1000)
    bank("--db", "sqlite:text.db").complains(1, "text.db", "not a database")
    check(not os.path.exists("text.db.journal"), "nothing is made beside it")
    os.mkdir("folder.db")
    bank("--db", "sqlite:folder.db").complains(1, "folder.db", "is a folder")
    bank("--db", "sqlite:none/bank.db").complains(1, "none/bank.db", "does not exist")
    bank("--db", "sqlite:none.db", "--audit-only").complains(1, "none.db", "--db")
    check(not os.path.exists("none.db"), "an audit makes no database")
    bank("--json", "none/figures.json").complains(1, "none/figures.json", "--json")
    with open("novel.txt", "w", encoding="ascii") as file:
        file.write("It was a dark and stormy night\n")
    bank("--journal", "novel.txt").complains(1, "novel.txt is not a journal", "--journal")
    check(journal_lines("novel.txt") == ["It was a dark and stormy night"], "it is left alone")

    bank("--duration", "100ms", "--db", "sqlite:torn.db").passes()
    with open("torn.db", "r+b") as file:
        file.truncate(os.path.getsize("torn.db") // 2)
    done = bank("--duration", "100ms", "--db", "sqlite:torn.db").complains(1, "torn.db")
    check("restore" in done.err, "it says what to do", done.shown)


def a_second_bank_on_one_journal_is_refused():
    run = Running("--duration", "10m")
    run.read_until(LIVE_LINE)
    bank("--duration", "50ms").complains(1, "another weir bank", "--journal")
    bank("--audit-only").passes()  # reads only, beside the run
    run.send(signal.SIGTERM)
    run.finish().passes()


def can_unshare():
    return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0


def a_read_only_folder_is_told_in_a_sentence():
    os.mkdir("shelf")
    bank("--duration", "100ms", "--db", "sqlite:shelf/old.db").passes()
    if can_unshare():
        print("with a read-only bind mount")
        read_only = [*UNSHARE, "sh", "-c",
                     'mount --bind shelf shelf && mount -o remount,bind,ro shelf && exec "$@"', "sh"]
    else:
        check(os.geteuid() != 0, "needs unshare, since root ignores permissions")
        print("with permissions, for lack of unshare")
        os.chmod("shelf", 0o555)
        read_only = []
    done = bank("--db", "sqlite:shelf/new.db", prefix=read_only)
    done.complains(1, "shelf/new.db", "read-only" if read_only else "permission")
    done = bank("--db", "sqlite:shelf/old.db", prefix=read_only)
    done.complains(1, "shelf/old.db")
    os.chmod("shelf", 0o755)
    bank("--db", "sqlite:shelf/old.db", "--audit-only").passes()


def a_full_disk_loses_nothing():
    if can_unshare():
        print("on a small tmpfs")
        os.mkdir("small")
        script = ("mount -t tmpfs -o size=40m tmpfs small && cd small &&"
                  ' exec "$1" "$2" "$3" full-disk-inside')
        inside = [*UNSHARE, "sh", "-c", script, "sh", sys.executable, os.path.abspath(__file__),
                  PROGRAM]
        done = subprocess.run(inside, capture_output=True, text=True)
        print(done.stdout, done.stderr)
        check(done.returncode == 0, "see above")
        return
    print("with RLIMIT_FSIZE, for lack of unshare")
    bank("--duration", "100ms").passes()
    limit = os.path.getsize("bank.db") + 300_000
    done = bank("--duration", "10m",
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    check(done.code == 1, "it fails", done.shown)
    bank("--audit-only").passes()
    bank("--duration", "100ms").passes()


def full_disk_inside():
    bank("--duration", "100ms").passes()
    room = os.statvfs(".")
    with open("ballast", "wb") as file:
        file.write(b"x" * (room.f_bavail * room.f_frsize - 600_000))
    done = bank("--duration", "10m")
    check(done.code == 1, "it fails", done.shown)
    check("full" in done.err or "No space" in done.err, "it says why", done.shown)
    check(done.last.startswith("audit: "), "it ends in a verdict", done.shown)
    print(done.shown)
    os.remove("ballast")
    bank("--audit-only").passes()
    bank("--duration", "100ms").passes()


def main():
    global PROGRAM
    PROGRAM, claim = os.path.abspath(sys.argv[1]), sys.argv[2]
    if claim == "full-disk-inside":
        full_disk_inside()
        return
    with folder():
        globals()[claim]()


if __name__ == "__main__":
    try:
        main()
    except AssertionError as broken:
        print(f"FAILED: {broken}")
        sys.exit(1)
