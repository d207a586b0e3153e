#include <weir/retry/batch.hpp>

namespace weir {

result<void> core::check_batch(std::size_t largest) {
  if (largest > 0) return {};
  return std::unexpected(
      error{errc::invalid_argument, "a batch holds at least one item"}.with("largest", 0));
}

}  // namespace weir
