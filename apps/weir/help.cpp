#include "help.hpp"

namespace weir::app {

namespace {

constexpr std::string_view program_text = R"help(NAME
  weir - the weir library at work

SYNOPSIS
  weir COMMAND [OPTION...]
  weir --help | --version

COMMANDS
  bank    make transfers in a bank from many concurrent clients, then audit
          its books: a demonstration, a soak test and a load tool in one
  retry   run any command again until it succeeds, with growing random waits,
          timeouts and limits

  `weir COMMAND --help` describes a command.

OPTIONS
  -h, --help    print this and leave
  --version     print the version and leave

EXIT STATUS
  0 success, 1 failure, 2 wrong usage; a command's own help may have more.
)help";

constexpr std::string_view bank_text = R"help(NAME
  weir bank - make transfers from many concurrent clients, then audit the books

SYNOPSIS
  weir bank [OPTION...]

DESCRIPTION
  Runs pgbench's "TPC-B (sort of)" transaction on its four tables: each client
  is a task that changes the balances of a random account, teller and branch,
  and notes that in the history. The tables are made and filled when the
  database does not have them.

  A client counts a transfer only when its line is in the journal, a file
  beside the database. The journal outlives a kill: the next run first audits
  what the last one left, and refuses to go on if a transfer is missing. If the
  answer to a commit is lost, because the server went down, the transfer is
  looked up by its id when the server is back.

  The run ends when its time is up, or by a signal: the first SIGINT or SIGTERM
  lets the transfers that were begun end, a second one cancels them, a third
  one leaves at once. Then comes the audit, whose verdict is the last line:
  - accounts, tellers, branches and history have one sum, and each account,
    teller and branch has what the history says;
  - no transfer is in the history or in the journal twice;
  - every transfer in the journal is in the history, unchanged.

OPTIONS
  --db URL            the database; sqlite:FILE is made if it is missing, and
                      postgres://USER@HOST/DATABASE must exist: its password is
                      best kept in ~/.pgpass or PGPASSWORD (default
                      sqlite:bank.db)
  --clients N         clients at once, 1 to 10,000 (default 8)
  --duration TIME     how long they work (default 20s)
  --scale N           branches to load, each with 100,000 accounts and 10
                      tellers (default: what the database has, or 1)
  --connections N     connections to the database, 1 to 64; with SQLite one of
                      them writes, the others read (default 4)
  --synchronous MODE  when SQLite waits for the disk: normal (at checkpoints)
                      or full (at every commit) (default normal)
  --commit HOW        transfers are committed alone, or grouped with those that
                      other clients have waiting (default alone)
  --early-release     with PostgreSQL: they release their locks before they are
                      on the disk, and are acknowledged after that
  --isolation LEVEL   of the transfers: read-committed, repeatable-read or
                      serializable (default: the database's own); who loses
                      against another transfer is repeated, and counted
  --drain TIME        after the end or the first signal, how long transfers may
                      take to end by themselves (default 10s)
  --cancel TIME       how long cancelled ones may take after that (default 5s)
  --seed N            of the clients' choices; drawn, and printed, if not given
  --journal FILE      the journal (default: the database's file with .journal
                      after its name; with PostgreSQL DATABASE.journal here)
  --json FILE         write the figures there as one JSON object
  --audit-only        audit what is there and change nothing
  -h, --help          print this and leave

  TIME is a number with a unit, such as 20s, 250ms, 2m or 0.5s.

OUTPUT
  A line each second, with the figures of that second: transfers per second;
  latencies, from the choice of the accounts until the line is in the journal;
  retries; connections in use, idle and waited for; tasks of the program.

FILES
  bank.db             the tables
  bank.db-wal, -shm   SQLite's log, while the database is open
  bank.db.journal     a line per acknowledged transfer of the last run, with a
                      checksum; emptied by the next run once it is audited. It
                      is not forced to the disk: it survives the end of the
                      process, not a power cut.

ENVIRONMENT
  NO_COLOR            if it is not empty, no colours on a terminal

EXAMPLES
  weir bank                         20 seconds on bank.db in this folder
  weir bank --clients 64 --duration 5s --json bank.json
  weir bank --db sqlite:/tmp/b.db --synchronous full
  weir bank --db postgres://alice@localhost/bank --isolation serializable
  weir bank --audit-only            after a kill, or out of curiosity

EXIT STATUS
  0   the audit passed, and the run ended in good order
  1   the audit failed, or the run did: the sentence says why and what to do
  2   wrong usage
  3   the audit passed, but transfers had to be cancelled
  4   when the last budget ran out something still ran
)help";

}  // namespace

std::string_view program_help() noexcept {
  return program_text;
}

std::string_view bank_help() noexcept {
  return bank_text;
}

}  // namespace weir::app
