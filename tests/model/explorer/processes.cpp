#include "explorer/processes.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weir::model {
namespace {

struct process {
  pid_t id = 0;
  int output = -1;
  bool ended = false;
};

[[noreturn]] void refuse(const char* what) {
  std::perror(what);
  std::exit(2);
}

/// What one process printed, to our own output.
void pass_on(int output) {
  ::lseek(output, 0, SEEK_SET);
  char some[4096];
  for (ssize_t n = 0; (n = ::read(output, some, sizeof some)) > 0;) {
    std::fwrite(some, 1, static_cast<std::size_t>(n), stdout);
  }
  ::close(output);
  std::fflush(stdout);
}

process begin(std::size_t i, tally& into, const std::function<tally(std::size_t)>& search) {
  process made;
  made.output = ::memfd_create("model", 0);
  if (made.output < 0) refuse("memfd_create");
  std::fflush(stdout);
  made.id = ::fork();
  if (made.id < 0) refuse("fork");
  if (made.id != 0) return made;
  ::dup2(made.output, STDOUT_FILENO);
  into = search(i);
  std::fflush(stdout);
  std::_Exit(0);
}

std::vector<tally> here(const std::vector<std::size_t>& begun, bool stop_early,
                        const std::function<tally(std::size_t)>& search) {
  std::vector<tally> all(begun.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = search(i);
    std::fflush(stdout);
    if (stop_early && !all[i].good) break;
  }
  return all;
}

}  // namespace

std::vector<tally> in_processes(const std::vector<std::size_t>& begun, unsigned jobs,
                                bool stop_early, const std::function<tally(std::size_t)>& search) {
  const std::size_t count = begun.size();
  if (jobs < 2 || count < 2) return here(begun, stop_early, search);
  void* shared = ::mmap(nullptr, count * sizeof(tally), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) refuse("mmap");
  auto* told = new (shared) tally[count];
  std::vector<process> all(count);
  std::size_t started = 0;
  std::size_t printed = 0;
  unsigned running = 0;
  bool stop = false;
  while (running != 0 || (started < count && !stop)) {
    while (!stop && running < jobs && started < count) {
      const std::size_t i = begun[started++];
      all[i] = begin(i, told[i], search);
      ++running;
    }
    int status = 0;
    const pid_t id = ::wait(&status);
    if (id < 0) refuse("wait");
    --running;
    for (std::size_t i = 0; i < count; ++i) {
      if (all[i].id != id) continue;
      all[i].ended = true;
      if (!told[i].done && !stop) {
        ::dprintf(all[i].output, "FAILED: the process of search %zu ended with status %d\n", i,
                  status);
        told[i] = {.done = true, .good = false, .executions = 0, .seconds = 0};
      }
      if (stop_early && told[i].done && !told[i].good && !stop) {
        stop = true;
        for (const process& other : all) {
          if (other.id != 0 && !other.ended) ::kill(other.id, SIGKILL);
        }
      }
    }
    for (; !stop && printed < count && all[printed].ended; ++printed) pass_on(all[printed].output);
  }
  for (; printed < count; ++printed) {
    if (all[printed].id != 0) pass_on(all[printed].output);
  }
  std::vector<tally> result(told, told + count);
  ::munmap(shared, count * sizeof(tally));
  return result;
}

}  // namespace weir::model
