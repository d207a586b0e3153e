#pragma once

#include <weir/context/operation.hpp>
#include <weir/stopper/gate.hpp>
#include <weir/stopper/shutdown_report.hpp>
#include <weir/sync/event.hpp>

namespace weir {

class stopper;

/// Waits until a stopper refuses work. Keeps the stopper's memory, not the stopper: whoever is
/// resumed by it may destroy the stopper, and others who wait are resumed all the same.
class [[nodiscard]] quiescing_operation : public event_operation {
 public:
  quiescing_operation(core::stopper_gate& gate, event& fired, core::context_state* bound) noexcept
      : event_operation(fired, bound), gate_(gate) {}

 protected:
  [[nodiscard]] core::stopper_gate& gate() const noexcept { return *gate_.get(); }

 private:
  core::gate_reference gate_;
};

/// Waits until a stopper has stopped, and gives its report.
class [[nodiscard]] stopped_operation : public quiescing_operation {
 public:
  using value_type = shutdown_report;
  using quiescing_operation::quiescing_operation;

  result<shutdown_report> take();
};

}  // namespace weir
