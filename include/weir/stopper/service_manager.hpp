#pragma once

#include <string>
#include <string_view>

namespace weir {

/// Problem: a service manager that does not know that a service is stopping kills it at a limit of
/// its own.
///
/// Speaks systemd's notification protocol: one datagram per message to the socket that the
/// environment names in NOTIFY_SOCKET, a path or, with '@', an abstract name. Without one, nothing
/// is sent. No library is needed. signal_shutdown has one and uses it.
///
/// Guarantees: `send` never blocks: a message for which the socket has no room is dropped.
/// Thread safety: one owner; `send` from any thread. Source: sd_notify(3).
///
///     weir::service_manager{}.send("READY=1\nSTATUS=Serving.");
class service_manager {
 public:
  /// Reads the environment, once.
  service_manager();
  /// For another socket. Empty: none.
  explicit service_manager(std::string_view socket);
  service_manager(const service_manager&) = delete;
  service_manager& operator=(const service_manager&) = delete;
  ~service_manager();

  [[nodiscard]] bool listens() const noexcept { return fd_ >= 0; }

  /// True if it was sent. Lines of NAME=value.
  bool send(std::string_view message) const noexcept;

 private:
  std::string address_;  // as in sockaddr_un
  int fd_ = -1;
};

}  // namespace weir
