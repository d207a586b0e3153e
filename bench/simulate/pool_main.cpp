// bench_pool_simulate [--plots FOLDER]: see docs/guide/pools.md.

#include <cstdio>
#include <exception>
#include <string_view>

#include "limits.hpp"

int main(int argc, char** argv) {
  constexpr int usage = 2;
  const bool known = argc == 1 || (argc == 3 && std::string_view{argv[1]} == "--plots");
  if (!known) {
    std::fprintf(stderr, "bench_pool_simulate: '%s' is not --plots FOLDER\n", argv[1]);
    return usage;
  }
  try {
    weir::simulate::show_limits(argc == 3 ? argv[2] : nullptr);
    return 0;
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "bench_pool_simulate: %s\n", thrown.what());
    return 1;
  }
}
