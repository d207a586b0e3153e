#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <weir/core/sync/atomic.hpp>
#include <weir/runtime/registry.hpp>

namespace weir::core {

/// What a debugger finds of one runtime.
struct debug_runtime {
  const char* name = nullptr;
  const void* entries = nullptr;  // the list of its stoppers and pools: a pointer to the first
};

/// Problem: a core file of an optimised program has symbols, but neither types nor variables. From
/// what should a debugger find the tasks?
///
/// The runtimes that live. A global, for a debugger has nothing else to begin with;
/// tools/gdb/weir.py reads it, and nothing else does. All offsets are in bytes.
struct debug_runtimes {
  std::uint32_t version = 1;
  std::uint32_t slots = 16;
  std::array<atomic<const debug_runtime*>, 16> runtimes{};  // those beyond are not listed
  std::uint64_t entry_view = 0;  // from an entry's link in its list to its debug_entry

  void add(const debug_runtime& one) noexcept;
  void remove(const debug_runtime& one) noexcept;
};

/// Where the lists of tasks have what: see live_tasks.cpp.
struct debug_tasks {
  std::uint32_t version = 3;
  std::uint32_t shard_count = 0;
  std::uint64_t shard_size = 0;
  std::uint64_t shard_list = 0;  // within a shard: a pointer to the first task's link
  // From a task's link, which begins with a pointer to the next:
  std::uint64_t name = 0;
  std::uint64_t site = 0;   // a pointer to: file, function, line, column
  std::uint64_t since = 0;  // nanoseconds of the monotonic clock
  std::uint64_t note = 0;   // a pointer to a std::string, or null
  // The calls of one thread each: an array of pointers, the first null one ends it.
  std::uint64_t calls_slots = 0;
  std::uint64_t calls_live = 0;  // within one: 32 bits, of which the mask says how many are live
  std::uint64_t calls_depth_mask = 0;
  std::uint64_t calls_first = 0;  // the oldest; others follow
  std::uint64_t call_size = 0;
  std::uint64_t call_name = 0;
  std::uint64_t call_site = 0;
  std::uint64_t call_since = 0;
  // The tasks that a thread has entered, in chunks of places: a count, a pointer to the first, and
  // one to the next chunk.
  std::uint64_t places_chunks = 0;  // within the calls of one thread: a pointer to the first chunk
  std::uint64_t place_size = 0;
  std::uint64_t place_id = 0;  // 0: nobody is there
  std::uint64_t place_name = 0;
  std::uint64_t place_site = 0;
  std::uint64_t place_since = 0;
  std::uint64_t place_note = 0;  // a pointer to a pointer to a std::string, or null
};

/// How far `inner` lies behind `outer`, within one object.
template <class T>
std::uint64_t offset_within(const void* outer, const T& inner) noexcept {
  const auto* at = static_cast<const void*>(std::addressof(inner));
  return static_cast<std::uint64_t>(static_cast<const char*>(at) - static_cast<const char*>(outer));
}

}  // namespace weir::core

extern "C" {
extern weir::core::debug_runtimes weir_debug_runtimes;
extern const weir::core::debug_tasks weir_debug_tasks;
}
