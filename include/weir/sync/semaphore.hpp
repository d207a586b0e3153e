#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>

namespace weir {

class semaphore;
class acquire_operation;

/// Units of a semaphore, which come home when this is destroyed. Movable; belongs to one thread at
/// a time, not to the one that acquired them. The semaphore outlives it.
class [[nodiscard]] units {
 public:
  /// None.
  units() noexcept = default;
  units(units&& other) noexcept
      : home_(std::exchange(other.home_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  units& operator=(units&& other) noexcept {
    if (this == &other) return *this;
    release();
    home_ = std::exchange(other.home_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~units() { release(); }

  /// Gives them back now, and wakes whom they suffice for. Doing it again changes nothing.
  void release() noexcept;

  /// How many these are; 0 after release.
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }

 private:
  friend class semaphore;
  friend class acquire_operation;

  units(semaphore& home, std::int64_t count) noexcept : home_(&home), count_(count) {}

  semaphore* home_ = nullptr;
  std::int64_t count_ = 0;
};

/// Problem: work of different weight (bytes, rows, connections) shares a bounded budget, and
/// neither a flood of small requests may starve a big one, nor an abandoned big one hold up the
/// small.
///
/// A number of units, acquired in portions and given back by `units`. One `acquire`, step by step:
///
///                   fits, nobody waits (acquirer)
///     acquire ───────────────────────────────────────────► granted ──► released
///        │                                                    ▲      (holder, units)
///        │ else (acquirer)          first and fits            │
///        └────────────────► queued ───────────────────────────┘
///                             │     (who releases, resizes or leaves the queue)
///                             ├──► invalid_argument   wants more than the total (resizer)
///                             ├──► closed             (closer)
///                             └──► cancelled          (context)
///
/// Requires: at destruction nobody waits and no units are out (asserted in every build).
/// Guarantees: strictly first come, first served: nobody overtakes, not even one who wants little
/// behind one who wants much. One who leaves the queue lets those behind go on at once.
/// Blocks or suspends: `acquire` alone. Cancellation: by the context of the wait; leaves no trace.
/// Errors: invalid_argument for less than zero or more than the total, with the numbers, instead of
/// a wait that could not end; closed. Thread safety: all members.
/// Memory ordering: what happened before a release is visible to whoever acquires those units.
/// Cost: a lock and two comparisons each to acquire and to release; `resize` looks at all waiters.
/// Source: Go's x/sync/semaphore, which also looks at the queue again when its first waiter leaves.
///
///     weir::semaphore memory{64 << 20};
///     auto room = co_await memory.acquire(ctx, request.bytes);
///     if (!room) co_return std::unexpected(std::move(room).error());
class semaphore {
 public:
  /// Requires: `total` is not negative.
  explicit semaphore(std::int64_t total) noexcept;
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  /// Waits for its turn and for `count` units.
  acquire_operation acquire(const context& ctx, std::int64_t count = 1) noexcept;

  /// `count` units, if they are there and nobody waits.
  [[nodiscard]] std::optional<units> try_acquire(std::int64_t count = 1) noexcept;

  /// Changes how many units there are. Fewer than are out: nothing is granted until enough have
  /// come home. Waiters that now want more than the total fail. Requires: not negative.
  void resize(std::int64_t total) noexcept;

  /// Fails all waiters and whoever comes later. Units that are out may still come home.
  void close() noexcept;

  /// Units that are neither out nor owed (after a resize). Waiters may be entitled to them.
  [[nodiscard]] std::int64_t available() const noexcept;
  [[nodiscard]] std::int64_t total() const noexcept;
  [[nodiscard]] std::int64_t waiting() const noexcept;

 private:
  friend class acquire_operation;
  friend class units;

  [[nodiscard]] bool fits(std::int64_t count) const noexcept WEIR_REQUIRES(mutex_) {
    return count <= total_ - out_;
  }
  void release(std::int64_t count) noexcept;
  void grant_first(core::wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void unqueue(acquire_operation& one) noexcept WEIR_REQUIRES(mutex_);

  mutable core::mutex mutex_;
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
  std::int64_t total_ WEIR_GUARDED_BY(mutex_);
  std::int64_t out_ WEIR_GUARDED_BY(mutex_) = 0;  // more than total_ after a resize
  std::int64_t waiting_ WEIR_GUARDED_BY(mutex_) = 0;
  core::intrusive_list<acquire_operation> queue_ WEIR_GUARDED_BY(mutex_);
};

/// A wait for units.
class [[nodiscard]] acquire_operation : public core::wait_node {
 public:
  using value_type = units;

  acquire_operation(semaphore& home, core::context_state* bound, std::int64_t count) noexcept
      : home_(home), bound_(bound), count_(count) {}
  acquire_operation(const acquire_operation&) = delete;
  acquire_operation& operator=(const acquire_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept WEIR_RETURN_CAPABILITY(home_.mutex_) { return home_.mutex_; }
  [[nodiscard]] static bool likely_ready() noexcept { return true; }
  bool try_locked(core::wake_list&) noexcept WEIR_REQUIRES(home_.mutex_);
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(home_.mutex_);
  void withdraw(core::wake_list& wakes) noexcept WEIR_REQUIRES(home_.mutex_);
  result<units> take();

 private:
  friend class semaphore;

  enum class outcome : std::uint8_t { granted, closed, out_of_range };

  void refuse(std::int64_t total) noexcept {
    outcome_ = outcome::out_of_range;
    total_ = total;
  }

  semaphore& home_;
  core::context_state* bound_;
  std::int64_t count_;
  std::int64_t total_ = 0;  // as it was when the request was found out of range
  outcome outcome_ = outcome::granted;
};

inline acquire_operation semaphore::acquire(const context& ctx, std::int64_t count) noexcept {
  return {*this, ctx.state(), count};
}

inline void units::release() noexcept {
  if (home_ == nullptr) return;
  std::exchange(home_, nullptr)->release(std::exchange(count_, 0));
}

}  // namespace weir
