#include <memory>

#include <weir/context/shield.hpp>

namespace weir {

shield::shield(const context& outer, duration longest)
    : inner_(outer.time(), {.timeout = longest}) {
  // Nobody else has the context yet.
  core::context_state& root = *inner_.get().state();
  root.key = &core::shield_key;
  root.value = std::make_shared<const context>(outer);
}

}  // namespace weir
