#!/usr/bin/env python3
"""What `weir retry` promises, told as claims: retry_test.py PROGRAM CLAIM

A claim is a function of this file. Nothing is measured and nothing sleeps: what needs a moment in
the middle of a run waits for a line that the command or the program writes. A wait that must not be
waited out is an hour long.
"""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from claims import check, folder  # noqa: E402

PROGRAM = ""
HERE = os.path.dirname(os.path.abspath(__file__))
QUICKLY = ["--initial-backoff", "1ms", "--max-backoff", "1ms"]
NEVER = ["--initial-backoff", "1h"]
ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.shown = f"exit code {code}\n--- stdout\n{out}--- stderr\n{err}---"

    def ends(self, code, *texts):
        check(self.code == code, f"the exit code is not {code}", self.shown)
        for text in texts:
            check(text in self.err, f"nothing says '{text}'", self.shown)
        return self

    def attempts(self, count):
        told = re.findall(r"^weir retry: attempt (\d+)", self.err, re.M)
        check(told == [str(n + 1) for n in range(count)], f"not one line for each of {count}",
              self.shown)
        return self


def retry(*args, stdin=subprocess.DEVNULL, data=None, **how):
    feed = {"input": data} if data is not None else {"stdin": stdin}
    done = subprocess.run([PROGRAM, "retry", *args], capture_output=True, **feed, **how)
    return Outcome(done.returncode, done.stdout.decode(errors="replace"),
                   done.stderr.decode(errors="replace"))


def sh(script):
    return ["--", "sh", "-c", script]


def actor(*words):
    """A command that waits for signals; see actor.py."""
    return ["--", sys.executable, os.path.join(HERE, "actor.py"), *words]


def report(*args, **how):
    """Runs it; the outcome and what --json wrote."""
    done = retry("--json", "report.json", *args, **how)
    with open("report.json", encoding="utf-8") as file:
        return done, json.load(file)


class Running:
    """A `weir retry` in the middle, whose two outputs are read line by line."""

    def __init__(self, *args, **how):
        self.process = subprocess.Popen([PROGRAM, "retry", *args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        **how)
        self.seen = {"stdout": "", "stderr": ""}

    def read_until(self, pattern, stream="stdout"):
        for line in getattr(self.process, stream):
            self.seen[stream] += line
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line like '{pattern}'\n{self.finish().shown}")

    def send(self, number):
        self.process.send_signal(number)

    def finish(self):
        out, err = self.process.communicate()
        return Outcome(self.process.returncode, self.seen["stdout"] + out,
                       self.seen["stderr"] + err)


class Terminal:
    """A `weir retry` on a terminal of 80 columns, in a session of its own."""

    def __init__(self, *args, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment)
            os.execv(PROGRAM, [PROGRAM, "retry", *args])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = ""

    def read(self):
        """Some more of what it shows; False when nobody writes any more."""
        with contextlib.suppress(OSError):  # how a terminal says that
            chunk = os.read(self.fd, 65536)
            self.seen += chunk.decode()
            return bool(chunk)
        return False

    def read_until(self, pattern):
        while not re.search(pattern, self.seen):
            check(self.read(), f"nothing like '{pattern}'", repr(self.seen))

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        while self.read():
            pass
        os.close(self.fd)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return Outcome(code, "", self.seen.replace("\r\n", "\n"))


def text_of(file):
    with open(file, encoding="utf-8") as lines:
        return lines.read()


def is_gone(pid):
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    return False


# ---- attempts ------------------------------------------------------------------------------------

def success_is_silent_and_the_end():
    done = retry(*NEVER, *sh("echo once; exit 0")).ends(0)
    check(done.out == "once\n" and done.err == "", "it is not silent", done.shown)
    retry("true").ends(0)
    retry("--", "--", data=b"").ends(127)  # the second -- is a command's name


def failures_are_retried_until_an_attempt_succeeds():
    done = retry(*QUICKLY, *sh('echo "$WEIR_RETRY_ATTEMPT"; test "$WEIR_RETRY_ATTEMPT" -ge 4'))
    done.ends(0, "attempt 3 of 10: exit code 1; next in ", "attempt 4 of 10 succeeded after ")
    done.attempts(4)
    check(done.out == "1\n2\n3\n4\n", "not four attempts", done.shown)
    check("\r" not in done.err and "\033" not in done.err, "a pipe gets plain lines", done.shown)


def the_exit_code_is_that_of_the_last_attempt():
    script = "exit $((WEIR_RETRY_ATTEMPT + 20))"
    retry("-n", "3", *QUICKLY, *sh(script)).ends(23, "giving up after ").attempts(3)
    retry("--max-attempts=1", *NEVER, *sh(script)).ends(21).attempts(1)
    retry("-n", "2", *QUICKLY, *sh("kill -KILL $$")).ends(137, "killed by SIGKILL").attempts(2)
    retry(*QUICKLY, "false").ends(1).attempts(10)


def what_cannot_be_run_is_told_and_not_retried():
    retry(*NEVER, "--", "./no-such-command").ends(127, "cannot run './no-such-command': No such")
    retry(*NEVER, "/").ends(126, "cannot run '/': Permission denied")
    retry("-n", "3", *QUICKLY, "--on-exit", "127", "--", "./no-such-command").ends(127).attempts(3)
    retry("-n", "2", *QUICKLY, *sh("exit 127")).ends(127).attempts(2)  # the shell ran
    with open("appears", "w", encoding="utf-8") as script:
        script.write("exit 9\n")  # without a first line that names a shell
    os.chmod("appears", 0o755)
    retry("-n", "1", "./appears").ends(9)
    found = {**os.environ, "PATH": os.getcwd() + ":" + os.environ["PATH"]}
    retry("-n", "1", "appears", env=found).ends(9)
    with open("appears", "w", encoding="utf-8") as script:
        script.write("test \"$1$2\" = 'a b-c'\n")
    retry("-n", "1", "--", "./appears", "a b", "-c").ends(0)


def only_listed_exit_codes_are_retried():
    script = "exit $((WEIR_RETRY_ATTEMPT + 73))"
    done = retry(*QUICKLY, "--on-exit", "1,74-75", *sh(script))
    done.ends(76, "giving up: --on-exit does not list it").attempts(3)
    retry(*NEVER, "--on-exit", "143", "false").ends(1).attempts(1)
    retry("-n", "2", *QUICKLY, "--on-exit", "143", *sh("kill -TERM $$")).ends(143).attempts(2)


# ---- output --------------------------------------------------------------------------------------

def only_matching_output_is_retried():
    script = 'test "$WEIR_RETRY_ATTEMPT" -gt 2 && echo broken || echo conn reset by peer >&2; exit 1'
    done = retry(*QUICKLY, "--on-output", "reset|timed? out$", *sh(script))
    done.ends(1, "giving up: --on-output matches no line").attempts(3)
    both = ["--on-output", "reset", "--on-exit", "7", *NEVER]
    retry(*both, *sh("exit 1")).ends(1, "giving up: none of --on-exit, --on-output").attempts(1)
    retry("-n", "2", *QUICKLY, *both[:4], *sh("exit 7")).ends(7).attempts(2)
    # A line without an end, and one that comes in two pieces.
    retry("-n", "2", *QUICKLY, "--on-output", "^abc$", *sh("printf abc; exit 1")).ends(1).attempts(2)
    retry("-n", "2", *QUICKLY, "--on-output", "^abc$",
          *sh("printf a; echo bc; exit 1")).ends(1).attempts(2)


def output_is_passed_on_unchanged():
    data = bytes(range(256)) * 4096 + b"no newline at the end"
    with open("data", "wb") as file:
        file.write(data)
    done = subprocess.run([PROGRAM, "retry", "--on-output", "x", *sh("cat data; cat data >&2")],
                          capture_output=True, stdin=subprocess.DEVNULL)
    check(done.returncode == 0, "it fails", str(done.returncode))
    check(done.stdout == data, "standard output differs", str(len(done.stdout)))
    check(done.stderr == data, "standard error differs", str(len(done.stderr)))


def held_output_is_that_of_one_whole_attempt():
    script = 'echo "out $WEIR_RETRY_ATTEMPT"; echo "err $WEIR_RETRY_ATTEMPT" >&2; '
    hold = ["-q", "-n", "3", *QUICKLY, "--hold-stdout"]
    done = retry(*hold, *sh(script + 'test "$WEIR_RETRY_ATTEMPT" = 3')).ends(0)
    check(done.out == "out 3\n", "not that of the success alone", done.shown)
    check(done.err == "err 1\nout 1\nerr 2\nout 2\nerr 3\n", "the failures' output", done.shown)
    done = retry(*hold, *sh(script + "exit 4")).ends(4)
    check(done.out == "" and "out 3\n" in done.err, "a failure's output is passed on", done.shown)
    done = retry(*hold, "--on-output", "out 1", *sh(script + "exit 4")).ends(4)
    check("out 2" in done.err and "out 3" not in done.err, "it is not read", done.shown)
    data = bytes(range(256)) * 1000
    with open("data", "wb") as file:
        file.write(data)
    done = subprocess.run([PROGRAM, "retry", "--hold-stdout", "--", "cat", "data"],
                          capture_output=True, stdin=subprocess.DEVNULL)
    check(done.stdout == data, "it is not passed on unchanged", str(len(done.stdout)))
    # More than is kept is passed on, so that a failure is the end.
    limit = ["--hold-stdout", "--keep-limit", "255K", *NEVER]
    done = subprocess.run([PROGRAM, "retry", *limit, *sh("cat data data; exit 5")],
                          capture_output=True, stdin=subprocess.DEVNULL)
    check(done.returncode == 5 and done.stdout == data * 2, "the exit code, the output", str(done))
    check(b"giving up: output longer than --keep-limit" in done.stderr, "the reason", str(done.stderr))
    # What was written until a timeout came is not lost either.
    for timeout in ("100ms", "1s", "10s", "100s"):
        done = retry("-n", "1", "--hold-stdout", "--attempt-timeout", timeout, *actor()).ends(124)
        if "leader ready" in done.err:
            return
    raise AssertionError("what it wrote is lost\n" + done.shown)


def a_background_process_does_not_hold_the_loop_up():
    script = "sleep 1000 & echo $!; exit 3"
    done = retry("-n", "1", "--on-output", "x", *sh(script)).ends(3)
    os.kill(int(done.out), signal.SIGKILL)  # left alone: the command ended by itself


def hints_are_honored_within_the_maximum():
    hint = ["-n", "2", "--initial-backoff", "0ms", "--honor-hints"]
    done, told = report(*hint, *sh("echo Retry-After: 0.02 >&2; exit 1"))
    done.ends(1, "next in 20ms, asked for 20ms").attempts(2)
    check(told["attempts"][0]["hint_s"] == 0.02 == told["attempts"][0]["wait_s"], "20 ms", str(told))
    # Longer than the maximum, and the other way round: the wait is longer by itself.
    script = 'echo "please try again in 2 hours"; exit 1'
    done, told = report(*hint, "--max-backoff", "3ms", *sh(script))
    done.ends(1, "next in 3ms, asked for 2h 0m (see --max-backoff)")
    wait = ["--initial-backoff", "4ms", "--jitter", "none"]
    done, told = report(*hint, *wait, *sh("echo retry-after-ms: 1; exit 1"))
    check(told["attempts"][0]["wait_s"] == 0.004, "4 ms", str(told))
    # What was asked for earlier, no longer counts; a negative one means never.
    script = "echo retry-after: 3600; echo retry-after-ms: 1; exit 1"
    retry(*hint, *sh(script)).ends(1).attempts(2)
    script = "echo grpc-retry-pushback-ms: -1; exit 1"
    retry(*NEVER, "--honor-hints", *sh(script)).ends(1, "the output asks for that").attempts(1)
    # Longer than what is left: no wait is begun.
    done = retry("--honor-hints", "--max-duration", "30m", "--max-backoff", "2h",
                 *sh("echo Retry-After: 3600; exit 1"))
    done.ends(124, "giving up: --max-duration leaves no time").attempts(1)
    # Nobody asked for it: not read.
    done, told = report("-n", "2", *QUICKLY, *sh("echo Retry-After: 3600; exit 1"))
    check(told["attempts"][0]["hint_s"] is None, "a hint", str(told))


# ---- time ----------------------------------------------------------------------------------------

def timed_out(*args):
    """An attempt, made of an actor with a member, that times out when both are ready. How long
    that takes, nobody knows: tried with longer and longer timeouts."""
    for timeout in ("100ms", "1s", "10s", "100s"):
        done, told = report("-n", "1", "--attempt-timeout", timeout, *args)
        done.ends(124, f"timed out after {timeout.replace('100s', '1m 40s')}").attempts(1)
        pids = re.findall(r" ready (\d+)$", done.out, re.M)
        if len(pids) == 2:
            check(all(is_gone(pid) for pid in pids), "somebody is left", str(pids))
            return done, told["attempts"][0]
    raise AssertionError("they never get ready\n" + done.shown)


def a_timeout_ends_the_whole_process_group():
    for words in (["TERM=ignore"], ["TERM=note"], ["leader:TERM=leave", "member:TERM=ignore"]):
        done, told = timed_out("--kill-after", "1ms", *actor("--member", *words))
        check(told["ended_by"] == "attempt_timeout" and told["killed"] and told["exit_code"] == 124,
              "what the report says", str(told))
        check(", killed; giving up" in done.err, "KILL is not told", done.shown)
    # Whatever --on-exit says: that an attempt hung says nothing about the next one.
    retry("-n", "2", *QUICKLY, "--attempt-timeout", "1ms", "--on-exit", "7", "--", "sleep",
          "1000").ends(124).attempts(2)


def a_timeout_lets_a_command_end_by_itself():
    for reads in ([], ["--on-output", "x"]):
        done, told = timed_out("--kill-after", "1h", *reads, *actor("--member", "TERM=0"))
        check("leader TERM" in done.out and "member TERM" in done.out, "they were not asked",
              done.shown)
        check(told["killed"] is False, "killed", str(told))


def the_total_time_ends_an_attempt_and_begins_no_wait():
    done, told = report("--max-duration", "1ms", "--", "sleep", "1000")
    done.ends(124, "attempt 1: stopped by --max-duration; giving up").attempts(1)
    check(told["reason"] == "duration" and told["exit_code"] == 124, "the report", str(told))
    done = retry("--max-duration", "50m", *NEVER, "--jitter", "none", "false")
    done.ends(124, "giving up: --max-duration leaves no time").attempts(1)


# ---- standard input ------------------------------------------------------------------------------

def each_attempt_gets_all_of_standard_input():
    data = b"".join(b"line %d\n" % n for n in range(200_000))
    copy = sh('cat > "got.$WEIR_RETRY_ATTEMPT"; test "$WEIR_RETRY_ATTEMPT" = 3')
    retry(*QUICKLY, *copy, data=data).ends(0)
    files = ["got.1", "got.2", "got.3"]
    check(all(open(name, "rb").read() == data for name in files), "a pipe is not replayed")
    with open("data", "wb") as file:
        file.write(b"skipped\n" + data)
    with open("data", "rb", buffering=0) as file:
        file.seek(len(b"skipped\n"))
        retry(*QUICKLY, *copy, stdin=file).ends(0)
    check(all(open(name, "rb").read() == data for name in files), "a file is not rewound")
    # One that reads only a little, and one that gets nothing.
    head = sh('head -n 1; test "$WEIR_RETRY_ATTEMPT" = 2')
    check(retry(*QUICKLY, *head, data=data).ends(0).out == "line 0\n" * 2, "the first line, twice")
    retry("-n", "2", *QUICKLY, *sh("cat; exit 5"), data=b"").ends(5)
    # Passed on as it comes: the command answers before the input has ended.
    process = subprocess.Popen([PROGRAM, "retry", "--", "head", "-n", "1"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    process.stdin.write(b"first\n")
    process.stdin.flush()
    check(process.stdout.read() == b"first\n", "the first line waits for the last one")
    check(process.wait() == 0, "it fails")
    process.stdin.close()


def a_longer_input_than_is_kept_is_passed_once():
    data = bytes(300_000)
    count = sh('wc -c; test "$WEIR_RETRY_ATTEMPT" = 2')
    done, told = report(*NEVER, "--keep-limit", "200K", *count, data=data)
    done.ends(1, "giving up: input longer than --keep-limit").attempts(1)
    check(done.out.strip() == "300000", "not all of it was passed", done.shown)
    check(told["reason"] == "input", "the reason", str(told))
    retry(*QUICKLY, "--keep-limit", "300K", *count, data=data).ends(0)


# ---- signals -------------------------------------------------------------------------------------

def a_signal_reaches_the_whole_group_and_ends_the_loop():
    for number in ENDING:
        name = number.name.removeprefix("SIG")
        run = Running("--json", "report.json", *NEVER, *actor("--member", f"{name}=40"))
        for _ in range(2):
            run.read_until("ready")
        run.send(number)
        done = run.finish().ends(40, f"ended by {number.name}").attempts(1)
        check(f"leader {name}" in done.out, "the command did not get it", done.shown)
        check(f"member {name}" in done.out, "its child did not get it", done.shown)
        told = json.loads(text_of("report.json"))
        check((told["reason"], told["signal"]) == ("signal", number.name), "the report", str(told))
    # A success is one, whatever came meanwhile; and who dies of it is told as a shell does.
    for words, code, told in ((["TERM=0"], 0, ""), ([], 143, "killed by SIGTERM; ended by SIGTERM")):
        run = Running(*NEVER, *actor(*words))
        run.read_until("ready")
        run.send(signal.SIGTERM)
        run.finish().ends(code, told)


def other_signals_reach_the_command_and_the_loop_goes_on():
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        run = Running("-n", "2", *QUICKLY, *actor(number.name.removeprefix("SIG") + "=6"))
        for _ in range(2):
            run.read_until("ready")
            run.send(number)
        run.finish().ends(6, "attempt 1 of 2: exit code 6").attempts(2)


def a_signal_during_a_wait_ends_at_once():
    for number in [*ENDING, signal.SIGUSR1, signal.SIGUSR2]:
        run = Running("--json", "report.json", *NEVER, "false")
        run.read_until("next in", "stderr")
        run.send(number)
        done = run.finish().ends(128 + number, f"ended by {number.name} before attempt 2")
        told = json.loads(text_of("report.json"))
        check((told["reason"], told["signal"]) == ("signal", number.name), "the report", str(told))
        check(told["attempts_made"] == 1, "attempts", done.shown)


def what_is_ignored_stays_ignored():
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    run = Running(*QUICKLY, *actor("TERM=0"), preexec_fn=ignore)
    command = int(run.read_until("ready").split()[-1])
    run.send(signal.SIGHUP)
    os.kill(command, signal.SIGHUP)
    run.send(signal.SIGTERM)
    run.finish().ends(0)
    # The command gets the mask that the program was started with, not the program's own.
    retry("--", "grep", "-q", "^SigBlk:\t0*$", "/proc/self/status").ends(0)


# ---- report --------------------------------------------------------------------------------------

def the_report_tells_each_attempt():
    script = "echo \\\"$WEIR_RETRY_ATTEMPT\\\" busy; exit $((3 - WEIR_RETRY_ATTEMPT))"
    done, told = report(*QUICKLY, "--jitter", "none", "--seed", "7", "--on-output", "busy",
                        *sh(script))
    done.ends(0)
    check(told["command"] == ["sh", "-c", script], "the command", str(told))
    check((told["reason"], told["exit_code"], told["signal"], told["seed"], told["attempts_made"])
          == ("succeeded", 0, None, 7, 3), "the whole", str(told))
    rows = told["attempts"]
    check([row["number"] for row in rows] == [1, 2, 3], "the numbers", str(told))
    check([row["exit_code"] for row in rows] == [2, 1, 0], "the exit codes", str(told))
    check([row["wait_s"] for row in rows] == [0.001, 0.001, None], "the waits", str(told))
    check(rows[0]["matched"] == '"1" busy', "the line that matched", str(told))
    check(all(row["ended_by"] == "itself" and row["signal"] is None for row in rows), "ends",
          str(told))
    begun = [row["began_s"] for row in rows]
    check(begun == sorted(begun) and told["elapsed_s"] >= begun[-1], "times", str(told))
    done, told = report("-n", "1", "--", b"false", b"\xff")  # no UTF-8
    check(told["command"] == ["false", "\ufffd"], "the command", str(told))
    done, told = report(*NEVER, "./missing")
    check((told["reason"], told["attempts"][0]["ended_by"]) == ("permanent", "not_started"),
          "not started", str(told))
    done, told = report("-n", "1005", "--initial-backoff", "0ms", "--max-backoff", "0ms", "-q",
                        "false")
    check(told["attempts_made"] == 1005 and len(told["attempts"]) == 1000, "the last 1,000")
    check(told["attempts"][-1]["number"] == 1005, "the last one's number")


def the_same_seed_gives_the_same_waits():
    def waits(*args):
        told = report("-n", "5", "--initial-backoff", "1ms", "--max-backoff", "4ms", *args,
                      "false")[1]
        return [row["wait_s"] for row in told["attempts"][:-1]], told["seed"]

    for jitter in ("equal", "full", "proportional", "decorrelated"):
        first, _ = waits("--jitter", jitter, "--seed", "11")
        check(first == waits("--jitter", jitter, "--seed", "11")[0], f"{jitter} differs", str(first))
        check(len(set(first)) >= 3, f"{jitter} is no chance", str(first))
        check(max(first) <= 0.004, f"{jitter} exceeds the maximum", str(first))
    check(waits("--jitter", "none")[0] == [0.001, 0.002, 0.004, 0.004], "none")
    drawn, seed = waits()
    check(waits("--seed", str(seed))[0] == drawn, "a drawn seed is told", str(seed))


def nobody_reading_the_output_ends_the_loop():
    for reads in ([], ["--on-output", "y"]):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = subprocess.run([PROGRAM, "retry", *NEVER, *reads, "--", "yes"], stdout=write_end,
                                 stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(write_end)
        Outcome(process.returncode, "", process.stderr.decode()).ends(
            141 if process.returncode != 1 else 1, "giving up: nobody reads the output")


def quiet_is_quiet():
    done = retry("-q", "-n", "2", *QUICKLY, "false").ends(1)
    check(done.err == "" and done.out == "", "it says something", done.shown)
    retry("--quiet", "./missing").ends(127, "cannot run './missing'")
    done = Terminal("-q", "-n", "2", *QUICKLY, "false").finish()
    check(done.err == "", "it says something on a terminal", repr(done.err))


# ---- terminal ------------------------------------------------------------------------------------

def a_terminal_gets_a_countdown_within_80_columns():
    run = Terminal("--initial-backoff", "9s", "--jitter", "none", "false", TERM="xterm")
    run.read_until(r"\rweir retry: next attempt in (\d\.\d)s \(Ctrl-C ends it\)(?s:.*)"
                   r"\rweir retry: next attempt in (?!\1)\d\.\ds")
    run.type("\x03")
    run.finish()
    run = Terminal("--initial-backoff", "5h", "--jitter", "none", "false", TERM="xterm")
    run.read_until(r"\rweir retry: next attempt in ([45]h \d\dm \d\ds) (?s:.*)"
                   r"\rweir retry: next attempt in (?!\1)4h 59m \d\ds ")
    run.type("\x03")
    done = run.finish().ends(130)
    for line in re.split(r"[\r\n]", done.err):
        check(len(line) < 80, "a line has 80 columns or more", repr(done.err))
    # It leaves nothing behind: the line is blanked before the next one is written.
    shown = ""
    for part in done.err.split("\n")[1].split("\r"):
        shown = part + shown[len(part):]
    check(shown.rstrip() == "weir retry: ended by SIGINT before attempt 2", "rests", repr(shown))
    run = Terminal(*NEVER, "false", TERM="dumb")
    run.read_until("next in")
    run.type("\x03")
    check("\rweir" not in run.finish().err, "a countdown on a dumb terminal", repr(run.seen))


def control_c_ends_a_wait_and_a_run():
    run = Terminal(*NEVER, "false", TERM="xterm")
    run.read_until("next attempt in")
    run.type("\x03")
    run.finish().ends(130, "ended by SIGINT before attempt 2")
    run = Terminal(*NEVER, *sh("echo ready; exec sleep 1000"), TERM="xterm")
    run.read_until("ready")
    run.type("\x03")
    run.finish().ends(130, "killed by SIGINT; ended by SIGINT")
    # A command that takes it for a failure, as make does, is not tried again.
    run = Terminal(*NEVER, *actor("INT=2"))
    run.read_until("ready")
    run.type("\x03")
    run.finish().ends(2, "exit code 2; ended by SIGINT")


def control_z_stops_the_command_and_fg_continues_it():
    run = Terminal(*NEVER, *actor("CONT=note", "TERM=0"))
    run.read_until("ready")
    run.type("\x1a")
    stopped = os.waitpid(run.pid, os.WUNTRACED)[1]
    check(os.WIFSTOPPED(stopped), "it is not stopped", str(stopped))
    os.kill(run.pid, signal.SIGCONT)
    run.read_until("leader CONT")
    os.kill(run.pid, signal.SIGTERM)
    run.finish().ends(0, "leader TERM")
    run = Terminal(*NEVER, "false")
    run.read_until("next in")
    run.type("\x1a")
    check(os.WIFSTOPPED(os.waitpid(run.pid, os.WUNTRACED)[1]), "a wait is not stopped")
    os.kill(run.pid, signal.SIGCONT)
    run.type("\x03")
    run.finish().ends(130)


def a_command_that_asks_gets_the_terminal():
    ask = ("printf 'password: ' > /dev/tty; stty -echo < /dev/tty; read secret < /dev/tty; "
           "stty echo < /dev/tty; test \"$secret\" = sesame && echo opened && exit; exit 1")
    run = Terminal("-n", "2", *QUICKLY, *sh(ask))
    run.read_until("password: ")
    run.type("wrong\n")
    run.read_until("password: (?s:.*)password: ")
    run.type("sesame\n")
    run.finish().ends(0, "opened", "attempt 1 of 2: exit code 1")
    # Ctrl-C goes to who has the terminal, and still ends the loop.
    run = Terminal(*NEVER, *sh("read x; echo got $x; exec sleep 1000"))
    run.type("line\n")
    run.read_until("got line")
    run.type("\x03")
    run.finish().ends(130, "ended by SIGINT")


# ---- usage ---------------------------------------------------------------------------------------

def wrong_usage_is_told_in_a_sentence():
    for args, told in (
            ([], "which command?"), (["--"], "which command?"), (["-n", "3"], "which command?"),
            ([""], "the command's name is empty"),
            (["--max-attemps", "3", "true"], "unknown option '--max-attemps'; did you mean "
                                             "'--max-attempts'?"),
            (["-x", "true"], "unknown option '-x'"),
            (["--seed"], "--seed needs a value"),
            (["--quiet=yes", "true"], "--quiet takes no value"),
            (["--initial-backoff", "5", "true"], "--initial-backoff: '5' has no unit"),
            (["--initial-backoff", "-1s", "true"], "'-1s' is negative"),
            (["--max-backoff", "soon", "true"], "'soon' is not a duration"),
            (["--max-backoff", "1s", "--initial-backoff", "2s", "true"],
             "--max-backoff: 1s is less than --initial-backoff, 2s"),
            (["--multiplier", "0.5", "true"], "--multiplier: '0.5' is not a number from 1"),
            (["--multiplier", "nan", "true"], "--multiplier: 'nan' is not a number from 1"),
            (["--jitter", "some", "true"], "--jitter: 'some' is unknown; it is none, "),
            (["--randomization", "2", "true"], "'2' is not a number from 0 to 1"),
            (["--jitter", "full", "--randomization", "0.1", "true"],
             "--randomization goes with --jitter proportional"),
            (["-n", "0", "true"], "--max-attempts: 0 is out of range"),
            (["-n", "many", "true"], "'many' is not a whole number; or write 'unlimited'"),
            (["--max-duration", "0s", "true"], "--max-duration: '0s' is too short"),
            (["--attempt-timeout", "0s", "true"], "--attempt-timeout: '0s' is too short"),
            (["--on-exit", "0", "true"], "'0' has exit code 0, which is success"),
            (["--on-exit", "1,,2", "true"], "'' is no exit code"),
            (["--on-exit", "9-3", "true"], "'9-3' is an empty range"),
            (["--on-exit", "256", "true"], "'256' is no exit code"),
            (["--on-output", "(", "true"], "--on-output: '(' is no regular expression: "),
            (["--keep-limit", "lots", "true"], "'lots' is not a size"),
            (["--seed", "-1", "true"], "--seed: -1 is out of range"),
            (["--json", "", "true"], "--json: it is empty")):
        done = retry(*args).ends(125, told)
        lines = [line for line in done.err.splitlines() if line != "try 'weir retry --help'"]
        check(len(lines) == 1 and lines[0].startswith("weir retry: "), "no sentence", done.shown)
    retry("--json", "no/such/folder", "true").ends(125, "cannot write the report 'no/such/folder'")
    done = retry(*NEVER, "--", "sh", "-c", "exit 0", "--seed")  # an option of the command's
    done.ends(0)


def the_help_fits_80_columns_and_names_every_option():
    done = retry("--help").ends(0)
    long = [line for line in done.out.splitlines() if len(line) > 80]
    check(not long, "lines have more than 80 columns", "\n".join(long))
    for name in ("initial-backoff", "max-backoff", "multiplier", "jitter", "randomization", "seed",
                 "max-attempts", "max-duration", "attempt-timeout", "kill-after", "on-exit",
                 "on-output", "honor-hints", "hold-stdout", "keep-limit", "json", "quiet", "help"):
        check("--" + name in done.out, f"--{name} is not described")
    check(retry("-h", "--nonsense").ends(0).out == done.out, "-h is another help")


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv[1])
    with folder():
        globals()[sys.argv[2]]()
