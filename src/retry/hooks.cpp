#include <weir/retry/hooks.hpp>

namespace weir {

void retry_counters::attempt_begins(const retry_step& step) noexcept {
  auto& counter = step.attempt == 0 ? first_tries_ : retries_;
  counter.fetch_add(1);
}

void retry_counters::wait_begins(const retry_step& step) noexcept {
  waited_.fetch_add(step.wait.count());
}

void retry_counters::loop_ended(retry_reason why, const retry_step&) noexcept {
  ended_[static_cast<std::size_t>(why)].fetch_add(1);
}

retry_counters::figures retry_counters::read() const noexcept {
  figures seen{.first_tries = first_tries_.load(),
               .retries = retries_.load(),
               .waited = duration{waited_.load()},
               .ended = {}};
  for (std::size_t i = 0; i < retry_reasons; ++i) {
    seen.ended[i] = ended_[i].load();
  }
  return seen;
}

}  // namespace weir
