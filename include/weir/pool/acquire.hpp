#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>
#include <weir/pool/options.hpp>
#include <weir/pool/slot.hpp>

namespace weir::core {

class pool_core;

/// The untyped part of a wait for a resource.
class acquire_base : public wait_node {
 public:
  acquire_base(pool_core& pool, const context& ctx, acquire_options how, std::source_location site);
  acquire_base(const acquire_base&) = delete;
  acquire_base& operator=(const acquire_base&) = delete;

  context_state* bound() noexcept { return bound_; }
  bool try_now() noexcept;
  mutex& guard() noexcept WEIR_RETURN_CAPABILITY(guard_) { return guard_; }
  bool try_locked(wake_list& wakes) noexcept WEIR_REQUIRES(guard_);
  void enqueue(waiter& who, std::uint32_t index, wake_list& wakes) noexcept WEIR_REQUIRES(guard_);
  void withdraw(wake_list&) noexcept WEIR_REQUIRES(guard_);
  [[nodiscard]] error explain(error why) const;

 protected:
  [[nodiscard]] bool served() const noexcept { return refusal_ == refusal::none; }
  /// Requires: served.
  [[nodiscard]] pool_slot& take_slot() noexcept;
  /// Why it was not.
  [[nodiscard]] error refused() const;
  [[nodiscard]] pool_core& pool() const noexcept { return pool_; }

 private:
  friend class pool_core;
  friend class pool_queue;

  enum class refusal : std::uint8_t { none, closed, queue_full, hopeless, open_failed, deadlock };

  [[nodiscard]] std::size_t rank() const noexcept {
    return static_cast<std::size_t>(how_.priority);
  }
  void limit_wait(const context& ctx, duration longest);

  pool_core& pool_;
  mutex& guard_;
  std::source_location site_;
  std::optional<context_source> timeout_;  // the pool's own limit on the wait, if it has one
  context_state* bound_;
  acquire_options how_;
  refusal refusal_ = refusal::none;
  pool_slot* slot_ = nullptr;
  std::optional<error> why_;     // open_failed, deadlock
  std::source_location holder_;  // deadlock
  duration predicted_{};         // hopeless
  time_point waiting_since_{};   // zero: it never queued
  std::uint64_t ticket_ = 0;     // the place in the order of arrival
  const task_record* task_ = nullptr;
};

/// Those who wait for a pool: one queue for each priority, first come first served.
///
/// Thread safety: guarded by its pool.
class pool_queue {
 public:
  /// How many resources may be in use for each priority.
  using limits = std::array<std::size_t, pool_priorities>;

  void push(acquire_base& op) noexcept;
  void remove(acquire_base& op) noexcept;

  /// The next to be served, when `in_use` resources are; null if there is none.
  [[nodiscard]] acquire_base* next(std::size_t in_use, const limits& most) noexcept;
  /// Who came first of all; null if nobody waits.
  [[nodiscard]] acquire_base* oldest() noexcept;
  /// How many could be served now, if there were resources enough.
  [[nodiscard]] std::size_t servable(std::size_t in_use, const limits& most) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The ticket of the last who came.
  [[nodiscard]] std::uint64_t last_ticket() const noexcept { return tickets_; }
  /// How many are served before a newcomer of this rank.
  [[nodiscard]] std::size_t ahead_of(std::size_t rank) const noexcept;

  template <class F>
  void for_each(F fn) noexcept {
    for (auto& one : queues_) {
      for (wait_node* n = one.front(); n != nullptr; n = one.next(*n)) {
        fn(static_cast<acquire_base&>(*n));
      }
    }
  }

 private:
  std::array<intrusive_list<wait_node>, pool_priorities> queues_;
  std::array<std::size_t, pool_priorities> sizes_{};
  std::size_t size_ = 0;
  std::uint64_t tickets_ = 0;
};

}  // namespace weir::core
