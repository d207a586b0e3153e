#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <weir/core/error.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/semaphore.hpp>

#include "transfer.hpp"

namespace weir::bank {

/// An open file, closed with this object.
class file_descriptor {
 public:
  explicit file_descriptor(int number = -1) noexcept : number_(number) {}
  file_descriptor(file_descriptor&& other) noexcept;
  file_descriptor& operator=(file_descriptor&& other) noexcept;
  ~file_descriptor();

  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

/// Reads a journal from its beginning, in memory of constant size.
///
/// A kill in the middle of a write leaves a torn line: the last one, without its newline. Nobody
/// was told of that transfer, so it is passed over; any other line that cannot be read is damage.
class journal_reader {
 public:
  enum class step : std::uint8_t { entry, damaged, end };

  /// `name` is for errors. Requires: the descriptor outlives the reader.
  journal_reader(int descriptor, std::string name)
      : descriptor_(descriptor), name_(std::move(name)) {}

  /// Goes to the next line; `entry` is valid until the next call. Errors: io; invalid_argument if
  /// the file is not a journal.
  result<step> next();

  [[nodiscard]] const journal_line& entry() const noexcept { return entry_; }
  /// The number of the line that `next` went to, from 1; the header is line 1.
  [[nodiscard]] std::uint64_t line_number() const noexcept { return lines_; }
  /// Whether the file ends in a torn line.
  [[nodiscard]] bool torn() const noexcept { return torn_; }

 private:
  /// A line without its newline, and whether it had one; nothing at the end of the file.
  result<bool> next_line(std::string_view& line, bool& terminated);
  result<bool> fill();

  int descriptor_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::string buffer_;
  std::size_t position_ = 0;
  std::uint64_t lines_ = 0;
  bool torn_ = false;
  journal_line entry_;
};

/// Problem: a bank that was killed can be audited only by what its clients were told, and they are
/// dead, too.
///
/// The clients' own append-only record: a transfer counts as acknowledged when its line is in the
/// file. It gets there after its commit was acknowledged, so what is in the journal is in the
/// table; anything else is a lost transfer.
///
///   open ──append: write fails──► failed      (owner: the client whose turn it was)
///     └── restart(): empty again, between two runs
///
/// Guarantees: lines of clients that wait together go out in one write(2). A line is whole, unless
/// the process is killed in the middle of that: then the last one is torn. A failed write is taken
/// back, and every later append fails with its error.
/// Durable against the end of the process, not of the machine: nothing calls fsync.
/// Suspends: `append`, behind the write in progress. Thread safety: `append` and `lines`.
class journal {
 public:
  /// Opens or creates it, and locks it against a second bank.
  static result<std::unique_ptr<journal>> open(const std::string& path);

  /// Forgets everything. Requires: audited, and nobody appends.
  result<void> restart();

  /// Returns when the line is in the file. Not cancellable: the commit has happened, and its
  /// evidence is a matter of microseconds.
  task<result<void>> append(transfer_id id, transfer what);

  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  journal(file_descriptor file, std::string name);

  result<void> write_pending();
  [[nodiscard]] error io_error(std::string_view what, int code) const;

  const file_descriptor file_;
  const std::string name_;

  core::mutex mutex_;
  std::string pending_ WEIR_GUARDED_BY(mutex_);
  std::uint64_t submitted_ WEIR_GUARDED_BY(mutex_) = 0;

  semaphore turn_{1};
  // Of whoever has the turn.
  std::string batch_;
  std::uint64_t written_ = 0;
  std::uint64_t size_bytes_ = 0;
  result<void> state_{};
};

/// Opens a journal to read it only. A descriptor of -1 if there is none.
result<file_descriptor> open_journal_to_read(const std::string& path);

}  // namespace weir::bank
