#include "amplification.hpp"

#include <chrono>
#include <deque>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/clock.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/retry.hpp>

#include "random.hpp"

namespace weir::simulate {

namespace {

using namespace std::chrono_literals;

constexpr int blocks = 50;
constexpr int calls_per_block = 4'000;
constexpr int top_calls = 2'000;

// The waits do not matter to these counts.
constexpr retry_options three_retries = {
    .initial_backoff = 0ms, .max_backoff = 0ms, .max_retries = 3, .nested = nested_retry::go_on};

// Without what makes it kind at the beginning and at low traffic: the tenth alone.
constexpr budget_options tenth = {
    .per_try = 0.1, .capacity = 100, .initial = 0, .floor_per_second = 0};

/// Layers of callers above a server that always fails.
class tower {
 public:
  tower(std::size_t layers, layered how, clock& time) : how_(how) {
    for (std::size_t layer = 0; layer < layers; ++layer) budgets_.emplace_back(tenth, time);
  }

  double calls() const noexcept { return calls_; }

  result<void> call(const context& ctx, std::size_t layers_below) {
    if (layers_below == 0) {
      ++calls_;
      return std::unexpected(error{errc::unavailable, "it always fails"});
    }
    const std::size_t below = layers_below - 1;
    retry_options options = three_retries;
    if (how_ == layered::with_budgets) options.budget = &budgets_[below];
    if (how_ == layered::outermost_retries) options.nested = nested_retry::once;
    return retry_call(ctx, options, [&](const context& attempt) { return call(attempt, below); });
  }

 private:
  layered how_;
  std::deque<retry_budget> budgets_;
  double calls_ = 0;
};

}  // namespace

amplification amplify(double failure_rate, paid_by who, std::uint64_t seed) {
  random chance{seed};
  manual_clock time;
  const context_source root{time};
  amplification seen;
  for (int block = 0; block < blocks; ++block) {
    retry_budget budget{tenth, time};
    retry_options options = three_retries;
    if (who == paid_by::budget) options.budget = &budget;
    int arrived = 0;
    int succeeded = 0;
    for (int call = 0; call < calls_per_block; ++call) {
      retry attempts{root.get(), options};
      while (wait(attempts.next())) {
        ++arrived;
        if (chance.unit() >= failure_rate) {
          ++succeeded;
          attempts.succeeded();
          break;
        }
        attempts.failed(error{errc::unavailable, "it fails at a rate"});
      }
    }
    seen.load.add(static_cast<double>(arrived) / calls_per_block);
    seen.success.add(static_cast<double>(succeeded) / calls_per_block);
  }
  return seen;
}

double layered_load(std::size_t layers, layered how) {
  manual_clock time;
  const context_source root{time};
  tower callers{layers, how, time};
  for (int call = 0; call < top_calls; ++call) {
    // That it fails is the point.
    static_cast<void>(callers.call(root.get(), layers));
  }
  return callers.calls() / top_calls;
}

}  // namespace weir::simulate
