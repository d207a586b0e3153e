#include <array>
#include <cstdint>
#include <new>
#include <utility>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/runtime/frame_cache.hpp>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_POISONS_FRAMES 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WEIR_POISONS_FRAMES 1
#endif
#if defined(WEIR_POISONS_FRAMES)
#include <sanitizer/asan_interface.h>
#endif

namespace weir::core {
namespace {

constexpr std::size_t granule_bytes = 32;
constexpr std::size_t classes = 32;
// glibc puts 8 bytes in front of each block and rounds to 16: this much less wastes nothing.
constexpr std::size_t overhead_bytes = 8;
constexpr std::size_t magazine_bytes = 16U * 1024U;
constexpr std::size_t depot_magazines = 64;

constexpr std::size_t class_of(std::size_t bytes) noexcept {
  return bytes == 0 ? 0 : (bytes + overhead_bytes - 1) / granule_bytes;
}
constexpr std::size_t bytes_of(std::size_t size_class) noexcept {
  return (size_class + 1) * granule_bytes - overhead_bytes;
}
constexpr std::uint32_t capacity_of(std::size_t size_class) noexcept {
  return static_cast<std::uint32_t>(magazine_bytes / bytes_of(size_class));
}

/// The link of a free block is in its first word; under AddressSanitizer in its last one, which
/// then is the only one that stays readable: the first is what a use after free would touch most,
/// and the leak checker follows no pointer in poisoned memory.
void** link_of(void* block, [[maybe_unused]] std::size_t size_class) noexcept {
#if defined(WEIR_POISONS_FRAMES)
  return reinterpret_cast<void**>(static_cast<char*>(block) + bytes_of(size_class)) - 1;
#else
  return static_cast<void**>(block);
#endif
}

void poison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t size_class) noexcept {
#if defined(WEIR_POISONS_FRAMES)
  __asan_poison_memory_region(block, bytes_of(size_class) - sizeof(void*));
#endif
}

void unpoison([[maybe_unused]] void* block, [[maybe_unused]] std::size_t size_class) noexcept {
#if defined(WEIR_POISONS_FRAMES)
  __asan_unpoison_memory_region(block, bytes_of(size_class));
#endif
}

/// A chain of free blocks of one class.
struct magazine {
  void* head = nullptr;
  std::uint32_t count = 0;

  void push(void* block, std::size_t size_class) noexcept {
    *link_of(block, size_class) = head;
    poison(block, size_class);
    head = block;
    ++count;
  }

  void* pop(std::size_t size_class) noexcept {
    void* block = head;
    unpoison(block, size_class);
    head = *link_of(block, size_class);
    --count;
    return block;
  }

  void free_all(std::size_t size_class) noexcept {
    while (count != 0) ::operator delete(pop(size_class));
  }
};

/// Full magazines of one class, for whichever thread runs out first.
class shelf {
 public:
  bool take(magazine& into) noexcept {
    lock_guard guard{mutex_};
    if (count_ == 0) return false;
    into = magazines_[--count_];
    return true;
  }

  bool give(const magazine& full) noexcept {
    lock_guard guard{mutex_};
    if (count_ == depot_magazines) return false;
    magazines_[count_++] = full;
    return true;
  }

 private:
  mutex mutex_;
  std::size_t count_ WEIR_GUARDED_BY(mutex_) = 0;
  std::array<magazine, depot_magazines> magazines_ WEIR_GUARDED_BY(mutex_){};
};

struct thread_cache {
  struct pair {
    magazine loaded;
    std::uint32_t capacity = 0;  // of a magazine; 0 while the thread has no cache
    magazine other;              // full or empty
  };
  std::array<pair, classes> pairs{};
  std::uint32_t scopes = 0;
};

struct cache_tag {};

constinit std::array<shelf, classes> depot;
constinit atomic<std::uint32_t> caching_threads{0};

thread_cache& this_cache() noexcept {
  return thread_slot<thread_cache, cache_tag>::get();
}

/// A block when the loaded magazine is empty; once per magazine.
[[gnu::noinline]] void* allocate_slowly(thread_cache::pair& mine, std::size_t size_class) {
  if (mine.other.count != 0) {
    std::swap(mine.loaded, mine.other);
  } else if (mine.capacity == 0 || !depot[size_class].take(mine.loaded)) {
    return ::operator new(bytes_of(size_class));
  }
  return mine.loaded.pop(size_class);
}

/// Takes a block when the loaded magazine is full; once per magazine.
[[gnu::noinline]] void free_slowly(thread_cache::pair& mine, void* block,
                                   std::size_t size_class) noexcept {
  if (mine.capacity == 0) {
    ::operator delete(block);
    return;
  }
  if (mine.other.count != 0) {
    if (!depot[size_class].give(mine.other)) mine.other.free_all(size_class);
    mine.other = {};
  }
  std::swap(mine.loaded, mine.other);
  mine.loaded.push(block, size_class);
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
  const std::size_t size_class = class_of(bytes);
  if (size_class >= classes) return ::operator new(bytes);
  thread_cache::pair& mine = this_cache().pairs[size_class];
  if (mine.loaded.count == 0) return allocate_slowly(mine, size_class);
  return mine.loaded.pop(size_class);
}

void free_frame(void* block, std::size_t bytes) noexcept {
  const std::size_t size_class = class_of(bytes);
  if (size_class >= classes) {
    ::operator delete(block);
    return;
  }
  thread_cache::pair& mine = this_cache().pairs[size_class];
  if (mine.loaded.count == mine.capacity) {
    free_slowly(mine, block, size_class);
  } else {
    mine.loaded.push(block, size_class);
  }
}

frame_cache_scope::frame_cache_scope() noexcept {
  thread_cache& cache = this_cache();
  if (cache.scopes++ != 0) return;
  caching_threads.fetch_add(1);
  for (std::size_t size_class = 0; size_class < classes; ++size_class) {
    cache.pairs[size_class].capacity = capacity_of(size_class);
  }
}

frame_cache_scope::~frame_cache_scope() {
  thread_cache& cache = this_cache();
  if (--cache.scopes != 0) return;
  for (std::size_t size_class = 0; size_class < classes; ++size_class) {
    thread_cache::pair& mine = cache.pairs[size_class];
    mine.capacity = 0;
    mine.loaded.free_all(size_class);
    mine.other.free_all(size_class);
  }
  if (caching_threads.fetch_sub(1) != 1) return;
  for (std::size_t size_class = 0; size_class < classes; ++size_class) {
    magazine full;
    while (depot[size_class].take(full)) full.free_all(size_class);
  }
}

}  // namespace weir::core
