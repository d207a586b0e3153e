#include <utility>

#include <weir/pool/core.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir::core {

pool_core::home pool_home(stopper& owner) noexcept {
  runtime& where = owner.where();
  return {.where = owner.executor(), .live = &where.live(), .log = &where.log()};
}

registration close_pool_with(stopper& owner, std::shared_ptr<pool_core> pool) {
  // Closers run when the tasks are gone: during the drain they still get resources to finish with.
  // The name lives as long as the closer, which holds the pool.
  const char* name = pool->pool_name().c_str();
  return owner.defer(name, [pool = std::move(pool)](const context& ctx) -> result<void> {
    return weir::wait(pool->close(ctx));
  });
}

}  // namespace weir::core
