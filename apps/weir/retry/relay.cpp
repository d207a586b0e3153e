#include "relay.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include <weir/core/sync/clock.hpp>

#include "hint.hpp"

namespace weir::retry_cli {

namespace {

constexpr std::size_t chunk_bytes = 65536;
constexpr std::size_t longest_line_bytes = 65536;
// What a pipe that can be written takes without blocking.
constexpr std::size_t atomic_bytes = 4096;

}  // namespace

unique_fd output_relay::open(bool hold) {
  holds_ = hold;
  pipe_ends ends = make_pipe();
  fcntl(ends.read.get(), F_SETFL, O_NONBLOCK);
  from_ = std::move(ends.read);
  return std::move(ends.write);
}

void output_relay::read_some() {
  char chunk[chunk_bytes];
  const ssize_t got = read(from_.get(), chunk, sizeof chunk);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    from_.reset();
    return;
  }
  const std::string_view text{chunk, static_cast<std::size_t>(got)};
  unsent_ += text;
  if (holds_ && unsent_.size() > asked_.keep_limit_bytes) {
    holds_ = false;
    into_.held_all = false;
  }
  if (asked_.reads_lines()) read_lines(text);
}

void output_relay::read_lines(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end =
        std::min({rest.find('\n'), rest.size(), longest_line_bytes - line_.size()});
    line_ += rest.substr(0, end);
    const bool whole = end < rest.size() && rest[end] == '\n';
    if (whole || line_.size() == longest_line_bytes) {
      examine(line_);
      line_.clear();
    }
    rest.remove_prefix(end + (whole ? 1 : 0));
  }
}

void output_relay::write_some() noexcept {
  const ssize_t put =
      write(to_, unsent_.data() + sent_, std::min(unsent_.size() - sent_, atomic_bytes));
  if (put < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    // Nobody reads any more. The command is told as if it wrote there itself.
    unsent_.clear();
    sent_ = 0;
    from_.reset();
    return;
  }
  sent_ += static_cast<std::size_t>(put);
  if (sent_ < unsent_.size()) return;
  unsent_.clear();
  sent_ = 0;
}

void output_relay::release(int to) noexcept {
  to_ = to;
  holds_ = false;
  from_.reset();
}

void output_relay::close() {
  if (!line_.empty()) examine(line_);
  line_.clear();
  from_.reset();
}

void output_relay::examine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (asked_.on_output && !into_.matched && asked_.on_output->matches(line)) into_.matched = line;
  if (!asked_.honor_hints) return;
  if (const auto found = hint_in(line, core::wall_now())) into_.hint = found;
}

}  // namespace weir::retry_cli
