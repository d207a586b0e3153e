#include "journal.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/context/context.hpp>

namespace weir::bank {

namespace {

constexpr std::string_view header =
    "# weir bank journal 1: id teller branch account delta checksum";
constexpr std::size_t read_bytes = 64 * 1024;

// Room for the lines of all clients at once, so that nothing is allocated under the lock.
constexpr std::size_t pending_bytes = 64 * 1024;

std::string next_step(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; free space, then run it again";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a file that can be written with --journal FILE";
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      return "; correct the path given with --journal";
    default:
      return "";
  }
}

error failure(const std::string& name, std::string_view what, int code) {
  std::string text = "cannot ";
  text += what;
  text += " the journal ";
  text += name;
  text += ": ";
  text += std::generic_category().message(code);
  text += next_step(code);
  return error{errc::io, std::move(text)};
}

// How many bytes were written; errno says why not all.
std::size_t write_all(int descriptor, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

}  // namespace

file_descriptor::file_descriptor(file_descriptor&& other) noexcept
    : number_(std::exchange(other.number_, -1)) {}

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

file_descriptor::~file_descriptor() {
  if (number_ >= 0) close(number_);
}

// ---- reading
// -------------------------------------------------------------------------------------

result<bool> journal_reader::fill() {
  if (descriptor_ < 0) return false;
  buffer_.erase(0, position_);
  position_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + read_bytes);
  ssize_t n = 0;
  do {
    n = pread(descriptor_, buffer_.data() + kept, read_bytes, static_cast<off_t>(offset_));
  } while (n < 0 && errno == EINTR);
  buffer_.resize(kept + static_cast<std::size_t>(n > 0 ? n : 0));
  if (n < 0) {
    return std::unexpected(failure(name_, "read", errno));
  }
  offset_ += static_cast<std::uint64_t>(n);
  return n > 0;
}

result<bool> journal_reader::next_line(std::string_view& line, bool& terminated) {
  std::size_t searched = position_;
  for (;;) {
    const std::size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos) {
      line = std::string_view{buffer_}.substr(position_, newline - position_);
      position_ = newline + 1;
      terminated = true;
      return true;
    }
    // A line is far shorter than a read: a file without newlines is not ours, whatever comes.
    const bool too_long = buffer_.size() - position_ > read_bytes;
    searched = buffer_.size() - position_;
    const auto more = too_long ? result<bool>{false} : fill();
    if (!more) return more;
    if (*more) continue;
    line = std::string_view{buffer_}.substr(position_);
    position_ = buffer_.size();
    terminated = false;
    return !line.empty();
  }
}

result<journal_reader::step> journal_reader::next() {
  std::string_view line;
  bool terminated = false;
  if (lines_ == 0) {
    const auto found = next_line(line, terminated);
    if (!found) return std::unexpected(found.error());
    if (!*found) return step::end;
    lines_ = 1;
    if (terminated ? line != header : !header.starts_with(line)) {
      return std::unexpected(
          error{errc::invalid_argument,
                name_ + " is not a journal of weir bank; choose another file with --journal"});
    }
  }
  const auto found = next_line(line, terminated);
  if (!found) return std::unexpected(found.error());
  if (!*found) return step::end;
  ++lines_;
  if (const auto parsed = parse_line(line)) {
    entry_ = *parsed;
    return step::entry;
  }
  torn_ = !terminated && line.size() < most_line_bytes;
  return torn_ ? step::end : step::damaged;
}

result<file_descriptor> open_journal_to_read(const std::string& path) {
  file_descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file && errno != ENOENT) return std::unexpected(failure(path, "open", errno));
  return file;
}

// ---- writing
// -------------------------------------------------------------------------------------

journal::journal(file_descriptor file, std::string name)
    : file_(std::move(file)), name_(std::move(name)) {
  pending_.reserve(pending_bytes);
  batch_.reserve(pending_bytes);
}

error journal::io_error(std::string_view what, int code) const {
  return failure(name_, what, code);
}

result<std::unique_ptr<journal>> journal::open(const std::string& path) {
  file_descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC,
                              S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)};
  if (!file) return std::unexpected(failure(path, "open", errno));
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected(
        error{errc::busy, "another weir bank is running with the journal " + path +
                              "; wait for its end, or give this one another --db or --journal"});
  }
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return std::unexpected(failure(path, "read", errno));
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(error{errc::invalid_argument,
                                 "the journal " + path + " is not a regular file; choose another"});
  }
  return std::unique_ptr<journal>{new journal{std::move(file), path}};
}

result<void> journal::restart() {
  if (ftruncate(file_.get(), 0) != 0) return std::unexpected(io_error("empty", errno));
  std::string first{header};
  first += '\n';
  if (write_all(file_.get(), first) != first.size()) {
    return std::unexpected(io_error("write", errno));
  }
  size_bytes_ = first.size();
  return {};
}

task<result<void>> journal::append(transfer_id id, transfer what) {
  std::uint64_t mine = 0;
  {
    const core::lock_guard guard{mutex_};
    append_line(pending_, id.view(), what);
    mine = ++submitted_;
  }
  const auto turn = co_await turn_.acquire(context{}, 1);
  if (!turn) co_return std::unexpected(turn.error());
  // Whoever got the turn first has written for those who had queued up behind it.
  if (written_ >= mine) co_return result<void>{};
  co_return write_pending();
}

result<void> journal::write_pending() {
  std::uint64_t last = 0;
  {
    const core::lock_guard guard{mutex_};
    batch_.swap(pending_);
    last = submitted_;
  }
  if (state_) {
    const std::size_t done = write_all(file_.get(), batch_);
    if (done == batch_.size()) {
      size_bytes_ += done;
      written_ = last;
    } else {
      state_ = std::unexpected(io_error("write", errno));
      // Nobody is told of these. If even this fails, they are a torn end, or transfers that did
      // happen.
      static_cast<void>(ftruncate(file_.get(), static_cast<off_t>(size_bytes_)));
    }
  }
  batch_.clear();
  return state_;
}

}  // namespace weir::bank
