#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <stdio_ext.h>
#include <unistd.h>

#include <weir/core/error.hpp>
#include <weir/stopper/shutdown_report.hpp>

#include "runtime/site_text.hpp"

namespace weir {
namespace {

constexpr std::size_t report_columns = 80;
constexpr std::size_t indent = 14;

std::string what(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

/// "  label       text", broken at spaces so that no line is longer than the columns.
void add(std::string& into, std::string_view label, std::string_view text) {
  const std::size_t width = report_columns - indent;
  do {
    std::size_t length = std::min(text.size(), width);
    if (length < text.size()) {
      const std::size_t space = text.rfind(' ', length);
      if (space != std::string_view::npos && space > 0) length = space;
    }
    std::string head = "  " + std::string{label};
    head.resize(indent, ' ');
    into += head;
    into += text.substr(0, length);
    into += '\n';
    text.remove_prefix(length);
    while (text.starts_with(' ')) text.remove_prefix(1);
    label = {};
  } while (!text.empty());
}

std::string asked_by(const shutdown_report& report) {
  switch (report.origin) {
    case shutdown_origin::signal:
      return report.reason;
    case shutdown_origin::failed_task:
      return "task '" + report.reason + "' (" + core::text_of(report.site) + "), which threw";
    case shutdown_origin::destructor:
    case shutdown_origin::call:
      break;
  }
  return report.reason + " (" + core::text_of(report.site) + ")";
}

std::string phases(const shutdown_report& report) {
  std::string text = "drain " + to_text(report.drain);
  if (report.cancel > duration::zero()) text += ", cancel " + to_text(report.cancel);
  text += ", close " + to_text(report.close);
  return text + "; " + to_text(report.total) + " in all";
}

std::string counts(const shutdown_report& report) {
  if (report.tasks == 0) return "none were live";
  std::string text = std::to_string(report.tasks) +
                     " were live: " + std::to_string(report.drained) + " ended by themselves";
  if (report.cancelled > 0) text += ", " + std::to_string(report.cancelled) + " when cancelled";
  if (report.remaining > 0) text += ", " + std::to_string(report.remaining) + " still run";
  return text;
}

std::string how(const shutdown_report::closer& closer) {
  switch (closer.state) {
    case shutdown_report::closer_state::done:
      return to_text(closer.took);
    case shutdown_report::closer_state::failed:
      return to_text(closer.took) + ", failed: " + closer.failure;
    case shutdown_report::closer_state::running:
      return "still runs after " + to_text(closer.took) + " (" + core::text_of(closer.site) + ")";
    case shutdown_report::closer_state::not_run:
      break;
  }
  return "did not run (" + core::text_of(closer.site) + ")";
}

/// Flushes what nobody else holds: a task that is stuck in a write must not keep us here.
void flush_if_free(std::FILE* stream) noexcept {
  if (ftrylockfile(stream) != 0) return;
  fflush_unlocked(stream);
  funlockfile(stream);
}

}  // namespace

shutdown_outcome shutdown_report::outcome() const noexcept {
  shutdown_outcome worst = own_outcome();
  for (const shutdown_report& child : children) worst = std::max(worst, child.outcome());
  return worst;
}

shutdown_outcome shutdown_report::own_outcome() const noexcept {
  bool closer_failed = false;
  bool closer_left = false;
  for (const closer& one : closers) {
    closer_failed |= one.state == closer_state::failed;
    closer_left |= one.state == closer_state::running || one.state == closer_state::not_run;
  }
  if (remaining > 0 || closer_left) return shutdown_outcome::abandoned;
  if (hurried) return shutdown_outcome::forced;
  if (failure || closer_failed) return shutdown_outcome::failed;
  return shutdown_outcome::clean;
}

int shutdown_report::exit_code() const noexcept {
  switch (outcome()) {
    case shutdown_outcome::clean:
      return 0;
    case shutdown_outcome::failed:
      return 1;
    case shutdown_outcome::forced:
      return 3;
    case shutdown_outcome::abandoned:
      break;
  }
  return 4;
}

std::string shutdown_report::to_string() const {
  std::string text;
  text += "shutdown of '" + stopper + "': " + name_of(outcome()) + ", exit code " +
          std::to_string(exit_code()) + "\n";
  add(text, "asked by", asked_by(*this));
  if (failure) add(text, "failure", what(failure));
  add(text, "phases", phases(*this));
  add(text, "tasks", counts(*this));
  for (const dropped_task& one : dropped) {
    add(text, "dropped",
        "'" + one.name + "' (" + core::text_of(one.site) + "), which was not due yet");
  }
  for (const closer& one : closers) add(text, "closer", "'" + one.name + "' " + how(one));
  for (const straggler& one : stragglers) {
    std::string line =
        "'" + one.name + "' (" + core::text_of(one.site) + ") for " + to_text(one.age);
    if (one.cancelled_for) line += ", cancelled " + to_text(*one.cancelled_for) + " ago";
    if (!one.note.empty()) line += ": " + one.note;
    add(text, "still runs", line);
  }
  if (remaining > stragglers.size()) {
    add(text, "", "and " + std::to_string(remaining - stragglers.size()) + " more");
  }
  for (const shutdown_report& child : children) {
    add(text, "part", "'" + child.stopper + "' " + name_of(child.outcome()) + ", " + counts(child));
  }
  for (const shutdown_report& child : children) {
    if (child.outcome() != shutdown_outcome::clean) text += child.to_string();
  }
  return text;
}

void shutdown_report::exit() const noexcept {
  flush_if_free(stdout);
  flush_if_free(stderr);
  ::_exit(exit_code());
}

const char* name_of(shutdown_outcome outcome) noexcept {
  switch (outcome) {
    case shutdown_outcome::clean:
      return "clean";
    case shutdown_outcome::failed:
      return "failed";
    case shutdown_outcome::forced:
      return "forced";
    case shutdown_outcome::abandoned:
      break;
  }
  return "abandoned";
}

}  // namespace weir
