#include "retry.hpp"

#include <cstdint>

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "child.hpp"
#include "display.hpp"
#include "loop.hpp"
#include "report.hpp"

namespace weir::retry_cli {

namespace {

// Where one of the three is closed, the next file to be opened would take its place.
void occupy_standard_descriptors() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

std::uint64_t drawn_seed() {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    seed = static_cast<std::uint64_t>(steady_clock().now().time_since_epoch().count());
  }
  return seed >> 11U;  // exact as a number in JSON, wherever that is read
}

}  // namespace

int run(const options& asked) {
  occupy_standard_descriptors();
  const std::uint64_t seed = asked.seed ? *asked.seed : drawn_seed();
  auto told = report::open(asked, seed);
  if (!told) {
    display{false}.complain(told.error().message());
    return exit_code::usage;
  }
  become_reaper();
  return loop{asked, seed, *told}.run();
}

}  // namespace weir::retry_cli
