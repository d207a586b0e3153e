#include <algorithm>
#include <string>

#include <weir/retry/policy.hpp>

namespace weir::core {
namespace {

/// Options that refuse to run: the limit of attempts is what is wrong with the plan.
retry_options first_options(const retry_plan& plan) noexcept {
  if (plan.policies.empty() || plan.max_attempts <= 0) return retry_options{}.with_max_attempts(0);
  return plan.policies.front().options;
}

}  // namespace

planned_retry::planned_retry(const context& ctx, const retry_plan& plan) noexcept
    : plan_(plan), attempts_(ctx, first_options(plan)) {
  if (!plan.policies.empty()) policy_ = plan.policies.front().name;
}

void planned_retry::follow(retry_decision decision, error why) noexcept {
  using enum retry_decision::step;
  if (decision.what() == fail_fast) {
    attempts_.failed(std::move(why), retry_verdict::permanent());
    return;
  }
  attempts_.failed(std::move(why));
  if (total_ >= plan_.max_attempts) {
    attempts_.end(retry_reason::attempts);
  } else if (decision.what() == reset) {
    attempts_.reset();
  } else if (decision.what() == switch_policy) {
    const auto found =
        std::find_if(plan_.policies.begin(), plan_.policies.end(),
                     [&](const retry_policy& policy) { return policy.name == decision.policy(); });
    if (found == plan_.policies.end()) {
      attempts_.failed(error{errc::invalid_argument, "the plan has no policy of this name"}.with(
                           "asked for", std::string{decision.policy()}),
                       retry_verdict::permanent());
      return;
    }
    policy_ = found->name;
    attempts_.switch_to(found->options);
  }
}

error planned_retry::failure() const {
  if (plan_.policies.empty()) return {errc::invalid_argument, "the plan has no policy"};
  if (plan_.max_attempts <= 0) {
    return {errc::invalid_argument, "the plan's max_attempts is not positive"};
  }
  return attempts_.failure()
      .error()
      .with("total attempts", std::int64_t{total_})
      .with("policy", std::string{policy_});
}

}  // namespace weir::core
