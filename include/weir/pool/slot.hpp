#pragma once

#include <cstdint>
#include <source_location>

#include <weir/core/clock.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/pool/hooks.hpp>

namespace weir {
class task_record;
}

namespace weir::core {

class pool_slot;

/// A slot's place in the list of all that are open.
struct roll_entry : list_hook {
  explicit roll_entry(pool_slot& of) noexcept : slot(of) {}
  pool_slot& slot;
};

/// One open resource. Idle in the pool's list, or with whoever holds its lease.
///
///            acquire             release, usable
///   idle ─────────────► leased ─────────────────► idle, or the next waiter
///    │ │                  │  │ release, needs reset
///    │ │ idle for long    │  └────────────────► resetting ──► idle, waiter, or closing
///    │ └──► checking ─────│───────────────────────────────► the waiter, or closing
///    │ lifetime, idle     │ discard, unusable, retired, flushed, pool closed
///    │ time, surplus      │
///    └────────────────────┴───────────────────────────────────► closing ──► gone
class pool_slot : public list_hook {
 public:
  virtual ~pool_slot() = default;

  /// How often its pool had been flushed when it was begun. Set before it is lent for the first
  /// time.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

 private:
  friend class pool_core;
  friend class acquire_base;

  // Written by its holder, read by whoever looks for leaks. relaxed: each is a word of its own that
  // orders nothing, and a look that is too old finds the lease changed the next time.
  atomic<std::source_location> holder_{};     // where it was acquired
  atomic<const task_record*> task_{nullptr};  // by whom; only compared
  atomic<std::uint64_t> turns_{0};            // odd while it is lent

  // Guarded by the pool's lock.
  time_point idle_since_{};
  time_point retire_at_ = time_point::max();
  time_point lent_at_{};  // zero: nobody looked
  std::uint64_t epoch_ = 0;
  close_cause cause_ = close_cause::shutdown;
  std::uint64_t seen_turn_ = 0;  // of the last look for leaks
  time_point seen_at_{};
  bool reported_ = false;
  bool known_good_ = false;  // just opened, reset or checked
  roll_entry roll_{*this};
};

}  // namespace weir::core
