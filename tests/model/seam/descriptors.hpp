#pragma once

#include <cstdint>

namespace weir::model {

/// The descriptor has these epoll events until it is told otherwise. A scheduling point, as are all
/// of these. Small numbers only; fresh in each execution.
void set_ready(int fd, std::uint32_t events) noexcept;

/// The number is given back: from now on an epoll_ctl for it fails the execution.
void close_descriptor(int fd) noexcept;

/// A signal arrives on this thread.
void raise_signal(int number) noexcept;

}  // namespace weir::model
