#include "explorer/memory.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>

#include "explorer/execution.hpp"

namespace weir::model {
namespace {

constexpr std::uint32_t live = 0xA11CE5ED;
constexpr std::uint32_t freed = 0xF4EEDB10;
constexpr std::size_t guard_bytes = 4096;

struct header {
  std::uint32_t bytes;
  std::uint32_t state;
  std::uint32_t previous;  // offset of the header before, so that all blocks can be walked
  std::uint32_t unused;
};
static_assert(sizeof(header) == 16);

struct region {
  std::byte* base = nullptr;
  std::byte* arena = nullptr;
  std::size_t used = 0;
  std::uint32_t last = 0;  // offset of the newest header, 0 = none
  bool on = false;

  region() noexcept {
    const std::size_t stacks = max_threads * (memory::stack_bytes + guard_bytes);
    void* got = mmap(nullptr, stacks + memory::arena_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) {
      std::fputs("model: no memory for the stacks\n", stderr);
      std::abort();
    }
    base = static_cast<std::byte*>(got);
    arena = base + stacks;
    statics::first = reinterpret_cast<std::uintptr_t>(base);
    statics::past = statics::first + stacks + memory::arena_bytes;
    // A stack that overflows meets a page that is not there.
    for (unsigned thread = 0; thread < max_threads; ++thread) {
      mprotect(base + thread * (memory::stack_bytes + guard_bytes), guard_bytes, PROT_NONE);
    }
  }

  header& at(std::uint32_t offset) const noexcept {
    return *reinterpret_cast<header*>(arena + offset);
  }
};

region& the_region() noexcept {
  static region instance;
  return instance;
}

}  // namespace

std::uintptr_t statics::first = 0;
std::uintptr_t statics::past = 0;

namespace {

struct old_bytes {
  void* at;
  std::size_t count;
  std::byte bytes[16];
};
constexpr std::size_t most_old = 4096;
old_bytes old[most_old];
std::size_t old_used = 0;

}  // namespace

void statics::remember(void* bytes, std::size_t count) noexcept {
  if (!execution::current.active()) return;
  if (count > sizeof old[0].bytes || old_used == most_old) {
    execution::current.fail("an execution writes to statics too often, or to a large one");
  }
  old_bytes& kept = old[old_used++];
  kept.at = bytes;
  kept.count = count;
  std::memcpy(kept.bytes, bytes, count);
}

void statics::restore() noexcept {
  // The oldest value of each last.
  while (old_used != 0) {
    const old_bytes& kept = old[--old_used];
    std::memcpy(kept.at, kept.bytes, kept.count);
  }
}

std::byte* memory::stack(unsigned thread) noexcept {
  return the_region().base + thread * (stack_bytes + guard_bytes) + guard_bytes;
}

void memory::reset() noexcept {
  region& all = the_region();
  all.used = sizeof(header);  // offset 0 stays free: it means "none"
  all.last = 0;
}

void memory::use(bool on) noexcept {
  the_region().on = on;
}

bool memory::in_use() noexcept {
  return the_region().on;
}

bool memory::owns(const void* address) noexcept {
  const region& all = the_region();
  return address >= all.arena && address < all.arena + arena_bytes;
}

void* memory::allocate(std::size_t bytes, std::size_t alignment) noexcept {
  region& all = the_region();
  alignment = std::max(alignment, sizeof(header));
  const std::size_t start = (all.used + sizeof(header) + alignment - 1) / alignment * alignment;
  if (start + bytes > arena_bytes) return nullptr;
  const auto offset = static_cast<std::uint32_t>(start - sizeof(header));
  all.at(offset) = {static_cast<std::uint32_t>(bytes), live, all.last, 0};
  all.last = offset;
  all.used = start + bytes;
  return all.arena + start;
}

void memory::release(void* block) noexcept {
  header& of = *(static_cast<header*>(block) - 1);
  if (of.state == freed) execution::current.fail("memory was freed twice");
  if (of.state != live) execution::current.fail("a pointer was freed that new never returned");
  of.state = freed;
  std::memset(block, std::to_integer<int>(poison), of.bytes);
}

namespace {

/// Each byte is the one before it: memcmp is many times faster than a loop.
bool all_poison(const std::byte* bytes, std::size_t count) noexcept {
  return count == 0 || (*bytes == memory::poison && std::memcmp(bytes, bytes + 1, count - 1) == 0);
}

}  // namespace

memory::findings memory::inspect() noexcept {
  findings found;
  const region& all = the_region();
  for (std::uint32_t offset = all.last; offset != 0; offset = all.at(offset).previous) {
    const header& of = all.at(offset);
    if (of.state == live) {
      ++found.leaked_blocks;
      found.leaked_bytes += of.bytes;
      continue;
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(&of + 1);
    if (!all_poison(bytes, of.bytes)) ++found.written_after_free;
  }
  return found;
}

}  // namespace weir::model

namespace {

using weir::model::memory;

void* take(std::size_t bytes, std::size_t alignment) {
  void* got = nullptr;
  if (memory::in_use()) {
    got = memory::allocate(bytes, alignment);
  } else if (alignment > alignof(std::max_align_t)) {
    got = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  } else {
    got = std::malloc(bytes == 0 ? 1 : bytes);
  }
  return got;
}

void* take_or_throw(std::size_t bytes, std::size_t alignment) {
  void* got = take(bytes, alignment);
  if (got == nullptr) throw std::bad_alloc();
  return got;
}

void give_back(void* block) noexcept {
  if (block == nullptr) return;
  if (memory::owns(block)) {
    // Between executions the arena's contents are void: a static that outlived its execution.
    if (memory::in_use()) memory::release(block);
    return;
  }
  std::free(block);
}

constexpr std::size_t usual = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t n) {
  return take_or_throw(n, usual);
}
void* operator new[](std::size_t n) {
  return take_or_throw(n, usual);
}
void* operator new(std::size_t n, std::align_val_t a) {
  return take_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return take_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return take(n, usual);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return take(n, usual);
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept {
  give_back(p);
}
void operator delete[](void* p) noexcept {
  give_back(p);
}
void operator delete(void* p, std::size_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  give_back(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  give_back(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  give_back(p);
}
