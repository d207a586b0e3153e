#include <weir/retry/hooks.hpp>

namespace weir {

void retry_counters::attempt_begins(const retry_step& step) noexcept {
  auto& counter = step.attempt == 0 ? first_tries_ : retries_;
  counter.fetch_add(1, std::memory_order_relaxed);
}

void retry_counters::wait_begins(const retry_step& step) noexcept {
  waited_.fetch_add(step.wait.count(), std::memory_order_relaxed);
}

void retry_counters::loop_ended(retry_reason why, const retry_step&) noexcept {
  ended_[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
}

retry_counters::figures retry_counters::read() const noexcept {
  figures seen{.first_tries = first_tries_.load(std::memory_order_relaxed),
               .retries = retries_.load(std::memory_order_relaxed),
               .waited = duration{waited_.load(std::memory_order_relaxed)},
               .ended = {}};
  for (std::size_t i = 0; i < retry_reasons; ++i) {
    seen.ended[i] = ended_[i].load(std::memory_order_relaxed);
  }
  return seen;
}

}  // namespace weir
