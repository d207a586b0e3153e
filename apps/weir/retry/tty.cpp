#include "tty.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace weir::retry_cli {

controlling_tty::controlling_tty() noexcept : fd_(open("/dev/tty", O_RDWR | O_CLOEXEC)) {
  if (fd_ && tcgetattr(fd_.get(), &modes_) != 0) fd_.reset();
}

bool controlling_tty::is_ours() const noexcept {
  return fd_ && tcgetpgrp(fd_.get()) == getpgrp();
}

void controlling_tty::lend(pid_t group) noexcept {
  lent_ = tcsetpgrp(fd_.get(), group) == 0;
}

void controlling_tty::take_back() noexcept {
  if (!lent_) return;
  lent_ = false;
  tcsetpgrp(fd_.get(), getpgrp());
  tcsetattr(fd_.get(), TCSADRAIN, &modes_);
}

}  // namespace weir::retry_cli
