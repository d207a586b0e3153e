#include <optional>
#include <utility>

#include <weir/context/on_cancel.hpp>
#include <weir/stopper/quiesce_context.hpp>

namespace weir {
namespace {

/// Passes a level on, with the cause it has above.
struct pass_on {
  context_source& child;
  const context& above;
  context_level level;

  void operator()() const noexcept {
    if (level == context_level::draining) {
      if (auto why = above.drain_cause()) child.drain(std::move(why->what), why->where);
    } else {
      if (auto why = above.cancel_cause()) child.cancel(std::move(why->what), why->where);
    }
  }
};

}  // namespace

struct quiesce_context::link {
  link(core::stopper_gate& gate, const context& parent, quiesce_action action)
      : above(action == quiesce_action::cancel ? gate.leaving() : gate.finishing()), child(parent) {
    if (action == quiesce_action::finish) {
      soft.emplace(above, context_level::draining, pass_on{child, above, context_level::draining});
    }
    hard.emplace(above, context_level::cancelled, pass_on{child, above, context_level::cancelled});
  }

  const context above;
  context_source child;
  // Before the child in destruction: what runs uses it.
  std::optional<context_hook<pass_on>> soft;
  std::optional<context_hook<pass_on>> hard;
};

quiesce_context::quiesce_context(core::stopper_gate& gate, const context& parent,
                                 quiesce_action action)
    : link_(new link{gate, parent, action}) {}

void quiesce_context::end(link* linked) noexcept {
  delete linked;
}

const context& quiesce_context::get() const noexcept {
  return link_->child.get();
}

bool quiesce_context::cancel(error why, std::source_location where) noexcept {
  return link_->child.cancel(std::move(why), where);
}

}  // namespace weir
