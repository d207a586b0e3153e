#include "help.hpp"

namespace weir::retry_cli {

namespace {

constexpr std::string_view text = R"help(NAME
  weir retry - run a command again until it succeeds, with growing random waits

SYNOPSIS
  weir retry [OPTION...] [--] COMMAND [ARGUMENT...]

DESCRIPTION
  Runs COMMAND. If it fails, waits and runs it again. The waits double from
  --initial-backoff to --max-backoff; chance shortens each one, so that many
  who failed together do not come back together. The first attempt is
  immediate.

  It ends when an attempt succeeds, when --max-attempts have been made, when
  --max-duration is over, at a failure that --on-exit and --on-output do not
  ask for, or by a signal. A command that does not exist or cannot be executed
  is not tried again, unless --on-exit lists 127 or 126.

  A shell's constructs need a shell: weir retry -- sh -c 'make && make install'

OPTIONS
  A TIME is a number with a unit: 250ms, 3s, 2m, 1h, 0.5s. If an option is given
  twice, the last one counts.

 Waits
  --initial-backoff TIME  before the second attempt (default 1s)
  --max-backoff TIME      the longest wait, jitter and hints included (default
                          1m, or --initial-backoff if that is longer)
  --multiplier N          from wait to wait, at least 1 (default 2)
  --jitter NAME           what chance makes of a wait b (default equal):
                          none          b
                          equal         from b/2 to b
                          full          from 0 to b
                          proportional  from b - R b to b + R b
                          decorrelated  from --initial-backoff to three times
                                        the wait before; ignores --multiplier
  --randomization R       the R of --jitter proportional, 0 to 1 (default 0.15);
                          given alone, it implies that jitter
  --seed N                of the chance: same seed, same waits (default: drawn,
                          and told by --json)

 Limits
  -n, --max-attempts N    attempts in all, or 'unlimited' (default 10; unlimited
                          if --max-duration is given)
  --max-duration TIME     for everything: no wait is begun that would end later,
                          and an attempt that still runs then is ended
  --attempt-timeout TIME  for each attempt; one that takes longer is ended, and
                          tried again whatever --on-exit and --on-output say
  --kill-after TIME       to end an attempt, its process group gets SIGTERM, and
                          after this time SIGKILL (default 10s)

 Which failures to retry (if neither is given: all; if both: either)
  --on-exit LIST          these exit codes, such as 1,75,100-110; a command that
                          signal n killed counts as 128+n
  --on-output REGEX       those with a line on standard output or standard error
                          that matches, as in grep -E

 What the output asks for
  --honor-hints           wait as long as the last hint in the output says, but
                          not longer than --max-backoff. Hints: 'Retry-After: N'
                          with seconds or a date, 'retry-after-ms: N', gRPC's
                          'grpc-retry-pushback-ms: N' (negative: give up),
                          '"retryDelay": "3s"', and prose such as 'try again in
                          20s'. The wait is never shorter than the hint, unless
                          --max-backoff is.

 The rest
  --hold-stdout           keep the standard output of each attempt: it is passed
                          on when the attempt has succeeded, and to standard
                          error when it has failed. So the next program of a
                          pipeline gets the output of one attempt, a whole one
  --keep-limit SIZE       how much of standard input, and of a held output, is
                          kept in memory, in bytes or with K, M or G (default
                          64M). Longer ones are passed on, and after a failure
                          there is no other attempt
  --json FILE             write there how it went, when it has ended
  -q, --quiet             say nothing but what is wrong with the command line,
                          or that there is no such command
  -h, --help              print this and leave

STANDARD INPUT
  Each attempt gets all of it. A file is rewound. A pipe is passed on as it
  comes, and kept; if it is longer than --keep-limit, the attempt that runs
  still gets all of it, but there is no other. A terminal is left to the
  command. As with ssh, a loop that reads its own list from standard input
  needs </dev/null.

STANDARD OUTPUT, STANDARD ERROR
  Those of the command, untouched: what failed attempts wrote stays written,
  unless --hold-stdout is given. With that option, --on-output or
  --honor-hints they go through a pipe: the command sees no terminal there;
  what a background process still writes is
  passed on until a second after the command's end. Messages go to standard
  error: one line for each attempt that failed, and on a terminal a countdown
  while it waits.

SIGNALS
  The command has a process group of its own. While it runs, SIGTERM, SIGINT,
  SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to that group, and after
  one of the first four there is no other attempt. During a wait each of them
  ends the program at once. Ctrl-Z stops both, fg continues both. A command
  that asks the terminal for something, such as a password, gets the terminal.

ENVIRONMENT
  WEIR_RETRY_ATTEMPT      set for the command: the attempt's number, from 1
  TERM                    if it is 'dumb', no countdown

REPORT
  --json writes one object: command, reason (succeeded, attempts, duration,
  permanent, signal, input, output), exit_code, signal, elapsed_s, seed,
  attempts_made, and attempts, of which the last 1,000 are told: number,
  began_s, elapsed_s, exit_code, signal, ended_by (itself, attempt_timeout,
  max_duration, not_started), killed, matched, hint_s, wait_s.

EXIT STATUS
  That of the last attempt (128+n if signal n killed it), but
  124    --max-duration is over, or the last attempt was ended by its timeout
  125    wrong usage, or it fails by itself
  126    the command cannot be executed
  127    there is no such command
  128+n  signal n came during a wait

EXAMPLES
  weir retry -- curl -fsS https://example.com/health
  weir retry -n 5 --on-exit 75 -- sendmail -t < mail
  weir retry --max-duration 10m --attempt-timeout 30s -- ssh host uptime
  weir retry --honor-hints --max-backoff 5m -- curl -fsSi https://example.com
  tar c site | weir retry --on-output 'timed out|reset' -- ssh host tar x
  weir retry -n unlimited --jitter none --initial-backoff 1s --multiplier 1 \
    -- pg_isready
)help";

}  // namespace

std::string_view help() noexcept {
  return text;
}

}  // namespace weir::retry_cli
