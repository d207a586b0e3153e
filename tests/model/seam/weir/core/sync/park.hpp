#pragma once

#include <cstdint>
#include <source_location>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>

#include "explorer/instrument.hpp"

namespace weir::core {

/// The model's park: the token as one step each way. A wait with a deadline may time out whenever
/// the bounds allow it. The algorithm behind the real one is a model of its own.
class park {
  using place = std::source_location;

 public:
  park() noexcept = default;
  ~park();
  park(const park&) = delete;
  park& operator=(const park&) = delete;

  void wait(place where = place::current()) noexcept;
  bool wait_until(time_point deadline, place where = place::current()) noexcept;
  bool try_wait(place where = place::current()) noexcept;
  void wake(place where = place::current()) noexcept;

 private:
  bool token_ = false;
  unsigned waiter_ = 0;  // thread + 1
  model::life life_;
};

}  // namespace weir::core
