#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/stopper/service_manager.hpp>

namespace weir {
namespace {

std::string_view from_environment() noexcept {
  // A program with more rights than its caller is not told by him where to write.
  const char* socket = ::secure_getenv("NOTIFY_SOCKET");
  return socket != nullptr ? std::string_view{socket} : std::string_view{};
}

}  // namespace

service_manager::service_manager() : service_manager(from_environment()) {}

service_manager::service_manager(std::string_view socket) : address_(socket) {
  const bool abstract = socket.starts_with('@');
  // What is neither absolute nor abstract means another protocol, which we do not speak.
  if (socket.size() < 2 || (!abstract && !socket.starts_with('/'))) return;
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (abstract) address_[0] = '\0';
  fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

service_manager::~service_manager() {
  if (fd_ >= 0) ::close(fd_);
}

bool service_manager::send(std::string_view message) const noexcept {
  if (fd_ < 0) return false;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(address_.begin(), address_.end(), to.sun_path);
  // A path may end with a zero byte; in an abstract name that would be a byte of the name.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // Unconnected, so that a manager that has started anew under the same name is found.
  const auto sent = ::sendto(fd_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&to), length);
  return sent == static_cast<ssize_t>(message.size());
}

}  // namespace weir
