#include <algorithm>

#include <weir/context/context.hpp>

namespace weir {
namespace {

std::optional<time_point> own_deadline(const clock& time, const context_options& options) noexcept {
  std::optional<time_point> earliest = options.deadline;
  if (options.timeout) {
    const time_point at = saturating_add(time.now(), *options.timeout);
    earliest = earliest ? std::min(*earliest, at) : at;
  }
  return earliest;
}

}  // namespace

result<void> context::check() const noexcept {
  if (state_ == nullptr) return {};
  if (!state_->cancelled()) {
    if (state_->deadline() == time_point::max()) return {};
    if (state_->time().now() < state_->deadline()) return {};
    state_->expire();
  }
  return std::unexpected(state_->failure());
}

std::optional<context_cause> context::drain_cause() const noexcept {
  if (state_ == nullptr) return std::nullopt;
  return state_->cause(context_level::draining);
}

std::optional<context_cause> context::cancel_cause() const noexcept {
  if (state_ == nullptr) return std::nullopt;
  return state_->cause(context_level::cancelled);
}

std::optional<time_point> context::deadline() const noexcept {
  if (state_ == nullptr || state_->deadline() == time_point::max()) return std::nullopt;
  return state_->deadline();
}

duration context::remaining() const noexcept {
  const auto at = deadline();
  if (!at) return duration::max();
  // Compared before subtracted: a deadline far in the past would overflow into the far future.
  const time_point now = time().now();
  return *at > now ? *at - now : duration::zero();
}

context context::with_erased(const void* key, std::shared_ptr<const void> value) const {
  auto* child =
      new core::context_state{state_, time(), std::nullopt, core::context_state::storage::heap};
  child->key = key;
  child->value = std::move(value);
  return context{child};
}

context_source::context_source(const context& parent, context_options options)
    : context_(new core::context_state{parent.state(), parent.time(),
                                       own_deadline(parent.time(), options),
                                       core::context_state::storage::heap}) {}

context_source::context_source(clock& time, context_options options)
    : context_(new core::context_state{nullptr, time, own_deadline(time, options),
                                       core::context_state::storage::heap}) {}

context_source& context_source::operator=(context_source&& other) noexcept {
  if (this != &other) {
    if (context_.state() != nullptr) cancel();
    context_ = std::move(other.context_);
  }
  return *this;
}

context_source::~context_source() {
  if (context_.state() != nullptr) cancel();
}

bool context_source::drain(error why, std::source_location where) noexcept {
  return context_.state()->raise(context_level::draining, std::move(why), where);
}

bool context_source::cancel(error why, std::source_location where) noexcept {
  return context_.state()->raise(context_level::cancelled, std::move(why), where);
}

context_scope::context_scope(const context& parent, context_options options) noexcept
    : state_(parent.state(), parent.time(), own_deadline(parent.time(), options),
             core::context_state::storage::frame),
      handle_(&state_) {}

context_scope::~context_scope() {
  // Also if it is cancelled: whoever did it may hold the lock still, and is waited for.
  cancel(error{errc::cancelled, "the block that made this context ended"});
  state_.end_in_frame();
  handle_.state_ = nullptr;  // the scope's own handle, counted by end_in_frame
}

bool context_scope::drain(error why, std::source_location where) noexcept {
  return state_.raise(context_level::draining, std::move(why), where);
}

bool context_scope::cancel(error why, std::source_location where) noexcept {
  return state_.raise(context_level::cancelled, std::move(why), where);
}

}  // namespace weir
