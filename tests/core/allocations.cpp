#include <atomic>
#include <cstdlib>
#include <new>

#include <core/allocations.hpp>

namespace {

std::atomic<std::size_t> count{0};

}  // namespace

namespace weir_test {

std::size_t allocations() noexcept {
  return count.load();
}

}  // namespace weir_test

void* operator new(std::size_t size) {
  count.fetch_add(1);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
