// bench_retry_simulate [--seed N] [--runs N] [--plots FOLDER]: see docs/guide/retry-simulation.md.

#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>

#include "tables.hpp"

namespace {

constexpr int usage = 2;

bool read_number(const char* text, auto& into) {
  const char* const end = text + std::strlen(text);
  const auto [stopped, code] = std::from_chars(text, end, into);
  return code == std::errc{} && stopped == end && into > 0;
}

}  // namespace

int main(int argc, char** argv) {
  weir::simulate::settings how;
  for (int at = 1; at < argc; at += 2) {
    const std::string_view name = argv[at];
    const char* value = at + 1 < argc ? argv[at + 1] : nullptr;
    const bool known = value != nullptr &&
                       ((name == "--seed" && read_number(value, how.seed)) ||
                        (name == "--runs" && read_number(value, how.runs)) || name == "--plots");
    if (!known) {
      std::fprintf(stderr,
                   "bench_retry_simulate: '%s' is none of --seed N, --runs N (from 1), "
                   "--plots FOLDER\n",
                   argv[at]);
      return usage;
    }
    if (name == "--plots") how.plots = value;
  }
  try {
    const int outside = weir::simulate::table_of_contention(how) +
                        weir::simulate::table_of_amplification(how) +
                        weir::simulate::table_of_layers(how);
    if (outside == 0) {
      std::puts("\nall rows are within their tolerances");
    } else {
      std::printf("\nrows outside their tolerances: %d\n", outside);
    }
    return 0;
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "bench_retry_simulate: %s\n", thrown.what());
    return 1;
  }
}
