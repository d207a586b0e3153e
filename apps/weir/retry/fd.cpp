#include "fd.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>

namespace weir::retry_cli {

pipe_ends make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
  }
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

}  // namespace weir::retry_cli
