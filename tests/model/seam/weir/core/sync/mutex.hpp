#pragma once

#include <source_location>

#include <weir/core/sync/annotations.hpp>
#include <weir/core/sync/atomic.hpp>

#include "explorer/instrument.hpp"

namespace weir::core {

/// The model's mutex: a thread that finds it locked is not scheduled until it is unlocked. As with
/// the real one, `unlock` is a single step, after which the next holder may destroy the mutex.
class WEIR_CAPABILITY("mutex") mutex {
  using place = std::source_location;

 public:
  constexpr mutex() noexcept = default;
  constexpr ~mutex() {
    if (!std::is_constant_evaluated()) destroy();
  }
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void lock(place where = place::current()) noexcept WEIR_ACQUIRE();
  bool try_lock(place where = place::current()) noexcept WEIR_TRY_ACQUIRE(true);
  void unlock(place where = place::current()) noexcept WEIR_RELEASE();

 private:
  void take(unsigned owner) noexcept;
  void destroy() noexcept;

  unsigned owner_ = 0;    // thread + 1
  unsigned waiting_ = 0;  // bit i: thread i
  model::life life_;
};

class WEIR_SCOPED_CAPABILITY lock_guard {
 public:
  explicit lock_guard(mutex& m,
                      std::source_location where = std::source_location::current()) noexcept
      WEIR_ACQUIRE(m)
      : mutex_(m), where_(where) {
    mutex_.lock(where);
  }
  ~lock_guard() WEIR_RELEASE() { mutex_.unlock(where_); }
  lock_guard(const lock_guard&) = delete;
  lock_guard& operator=(const lock_guard&) = delete;

 private:
  mutex& mutex_;
  std::source_location where_;
};

}  // namespace weir::core
