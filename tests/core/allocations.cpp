#include <atomic>
#include <cstdlib>
#include <new>

#include <core/allocations.hpp>

namespace {

std::atomic<std::size_t> count{0};
constinit thread_local std::size_t until_failure = 0;

}  // namespace

namespace weir_test {

std::size_t allocations() noexcept {
  return count.load();
}

void fail_allocation(std::size_t number) noexcept {
  until_failure = number;
}

}  // namespace weir_test

// The thread sanitizer links its own operators and no others: there the count stays zero, and the
// other builds make the claim.
#if defined(__has_feature)
#define WEIR_TEST_COUNTS (!__has_feature(thread_sanitizer))
#else
#define WEIR_TEST_COUNTS 1
#endif

#if WEIR_TEST_COUNTS

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  count.fetch_add(1);
  if (until_failure != 0 && --until_failure == 0) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}

void* operator new(std::size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

#endif
