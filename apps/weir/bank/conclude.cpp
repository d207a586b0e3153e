// The end of a run: the report, the audit, the verdict.

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "../text.hpp"
#include "bank.hpp"
#include "complain.hpp"
#include "program.hpp"

namespace weir::bank {

task<int> program::conclude() {
  if (ran_) {
    print_report(out_, report_);
    const bool by_signal = report_.shutdown.origin == shutdown_origin::signal;
    if (by_signal || report_.shutdown.exit_code() != 0) {
      out_.line("");
      out_.block(report_.shutdown.to_string());
    }
    if (report_.failure) complain(root_of(*report_.failure));
  }
  // A session of its own: that of the run has ended, perhaps by a signal, and the next signal is
  // for the audit.
  session on{where_, "audit", how_};
  result<audit_findings> audit;
  if (auto opened = on.open(how_, in_commit_, after_log_); !opened) {
    audit = std::unexpected(std::move(opened).error());
  } else {
    auto body = [&] { return final_audit(on); };
    out_.status("auditing ...");
    audit = co_await on.stop.run("bank.audit", body);
    out_.end_progress();
  }
  const bool asked = on.stop.is_quiescing();
  auto report = co_await on.stop.stop({.reason = "the audit is done"});
  if (!audit && asked && report && report->hurried) {
    audit = fail(errc::cancelled, "the audit was interrupted");
  }
  co_return tell(audit);
}

task<result<audit_findings>> program::final_audit(session& on) {
  // Bounded by the stopper's context: it drains at the first signal, and an audit goes on then.
  const context ctx = on.stop.ctx();
  const auto found = co_await inspect_books(ctx, on.database(), *where_is_.speaks);
  if (!found) co_return std::unexpected(found.error());
  if (found->what != books::state::complete) {
    co_return std::unexpected(error{
        errc::not_found, report_.database + " has no bank to audit; correct --db, or run without "
                                            "--audit-only"});
  }
  auto file = open_journal_to_read(journal_path_);
  if (!file) co_return std::unexpected(std::move(file).error());
  const journal_source from{*where_is_.speaks, file->get(), journal_path_};
  co_return co_await audit_books(ctx, on.database(), from);
}

/// The last lines, and the exit code they go with.
int program::tell(const result<audit_findings>& audit) {
  int code = passed;
  if (ran_) code = report_.failure ? failed : report_.shutdown.exit_code();
  if (!audit || !audit->passed()) code = failed;
  if (!write_json(audit, code) && code == passed) code = failed;

  if (ran_) out_.line("");
  if (!audit) {
    complain(root_of(audit.error()));
    out_.line(audit.error().code() == errc::cancelled
                  ? "audit: FAIL it was interrupted; run weir bank --audit-only"
                  : "audit: FAIL it could not be done; cure that, then run weir bank --audit-only");
    return code;
  }
  print_findings(*audit, "audit");
  const std::string verdict = "audit: " + audit->verdict();
  out_.line(audit->passed() ? out_.good(verdict) : out_.bad(verdict));
  return code;
}

void program::print_findings(const audit_findings& found, std::string_view title) {
  const auto count = [](std::uint64_t n) { return app::with_commas(static_cast<std::int64_t>(n)); };
  const std::string text = count(found.accounts) + " accounts, " + count(found.history) +
                           " transfers in the history, " + count(found.acknowledged) +
                           " in the journal";
  out_.line(app::wrapped(std::string{title} + ": ", text, out_.columns()));
  for (const std::string& problem : found.problems) {
    out_.line(app::wrapped("  - ", problem, out_.columns()));
  }
}

/// Before the run, so that a wrong path costs nobody the figures.
bool program::open_json() {
  if (how_.json.empty()) return true;
  json_ = file_descriptor{::open(how_.json.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
  if (json_) return true;
  complain("cannot write " + how_.json + ": " + std::generic_category().message(errno) +
           "; correct the path given with --json");
  return false;
}

bool program::write_json(const result<audit_findings>& audit, int code) {
  if (!json_ || !ran_) return true;
  const std::string text = to_json(report_, audit, code);
  // A pipe cannot be cut; it needs not be.
  static_cast<void>(ftruncate(json_.get(), 0));
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(json_.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      complain("cannot write " + how_.json + ": " + std::generic_category().message(errno));
      return false;
    }
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace weir::bank
