#pragma once

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/clock.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/run_loop.hpp>

namespace weir::test {

/// The same wait again and again.
constexpr retry_options fixed(duration wait) {
  return {.initial_backoff = wait, .max_backoff = wait, .multiplier = 1, .jitter = jitter::none};
}

/// A loop that fails on and on, as seen from outside.
struct course {
  std::vector<duration> granted;  // when each attempt began
  std::optional<retry_reason> reason;
  duration ended{};

  friend bool operator==(const course&, const course&) = default;
};

/// Time that jumps to the next timer whenever everybody waits.
class simulation {
 public:
  template <class T>
  T run(task<T> root) {
    return loop.run(std::move(root), time);
  }

  [[nodiscard]] duration passed() const { return time.now() - begun; }

  [[nodiscard]] context ctx() const { return root.get(); }

  /// A loop whose attempts take `length` each, and fail.
  course fail_always(const retry_options& options, duration length = {}) {
    return run(failing(options, length));
  }

  /// The same on a thread that blocks, while another moves time.
  course fail_always_on_a_thread(const retry_options& options) {
    std::atomic<bool> done{false};
    std::thread mover{[&] {
      while (!done.load()) {
        if (!time.advance_to_next()) std::this_thread::yield();
      }
    }};
    course seen;
    const time_point start = time.now();
    retry attempts{root.get(), options};
    while (auto attempt = wait(attempts.next())) {
      seen.granted.push_back(time.now() - start);
      attempts.failed(error{errc::busy, "busy"});
    }
    seen.reason = attempts.reason();
    seen.ended = time.now() - start;
    done.store(true);
    mover.join();
    return seen;
  }

  manual_clock time;
  const time_point begun = time.now();
  run_loop loop{time};
  context_source root{time};

 private:
  task<course> failing(retry_options options, duration length) {
    course seen;
    const time_point start = time.now();
    retry attempts{root.get(), options};
    while (auto attempt = co_await attempts.next()) {
      seen.granted.push_back(time.now() - start);
      time.advance(length);
      attempts.failed(error{errc::busy, "busy"});
    }
    seen.reason = attempts.reason();
    seen.ended = time.now() - start;
    co_return seen;
  }
};

/// The waits between attempts that take no time.
inline std::vector<duration> waits_of(const course& seen) {
  std::vector<duration> waits;
  for (std::size_t i = 1; i < seen.granted.size(); ++i) {
    waits.push_back(seen.granted[i] - seen.granted[i - 1]);
  }
  return waits;
}

}  // namespace weir::test
