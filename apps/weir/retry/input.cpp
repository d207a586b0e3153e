#include "input.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::retry_cli {

namespace {

constexpr std::size_t read_bytes = 65536;

}  // namespace

command_input::command_input(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {
  struct stat about{};
  if (fstat(STDIN_FILENO, &about) != 0) return;  // closed: the command finds it closed, too
  if (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode)) kind_ = kind::kept;
  if (S_ISREG(about.st_mode)) {
    start_ = lseek(STDIN_FILENO, 0, SEEK_CUR);
    if (start_ >= 0) kind_ = kind::rewound;
  }
}

unique_fd command_input::begin_attempt() {
  if (kind_ == kind::rewound) lseek(STDIN_FILENO, start_, SEEK_SET);
  if (kind_ != kind::kept) return {};
  fed_ = 0;
  pipe_ends ends = make_pipe();
  fcntl(ends.write.get(), F_SETFL, O_NONBLOCK);
  sink_ = std::move(ends.write);
  if (ended_ && kept_.empty()) sink_.reset();
  return std::move(ends.read);
}

int command_input::source_wanted() const noexcept {
  return sink_ && fed_all() && !ended_ ? STDIN_FILENO : -1;
}

void command_input::read_some() {
  char chunk[read_bytes];
  const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    ended_ = true;
    sink_.reset();
    return;
  }
  const auto more = static_cast<std::size_t>(got);
  if (kept_.size() + more > limit_bytes_) passing_ = true;
  if (passing_) {
    kept_.clear();
    fed_ = 0;
  }
  kept_.append(chunk, more);
}

void command_input::write_some() noexcept {
  const ssize_t put = write(sink_.get(), kept_.data() + fed_, kept_.size() - fed_);
  if (put < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    sink_.reset();  // the command reads no further
    return;
  }
  fed_ += static_cast<std::size_t>(put);
  if (fed_all() && ended_) sink_.reset();
}

}  // namespace weir::retry_cli
