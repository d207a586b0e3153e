#include <utility>

#include <weir/pool/core.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir::core {

pool_core::home pool_home(stopper& owner) noexcept {
  runtime& where = owner.where();
  return {.where = owner.executor(), .live = &where.live(), .log = &where.log(), .owner = &owner};
}

registration close_pool_with(stopper& owner, std::shared_ptr<pool_core> pool) {
  // Closers run when the tasks are gone: during the drain they still get resources to finish with.
  // The name lives as long as the closer, which holds the pool.
  const char* name = pool->pool_name().c_str();
  return owner.defer(name, [pool = std::move(pool)](const context& ctx) -> result<void> {
    return weir::wait(pool->close(ctx));
  });
}

void pool_core::leave(registration& closer) noexcept {
  if (home_.owner != nullptr) {
    // A closer would stay behind until the stop. A permit is gone as soon as the pool is.
    auto stay = home_.owner->try_enter(name_.c_str());
    if (!stay) {
      closer.keep();
    } else {
      lock_guard guard{mutex_};
      if (alive_ != nullptr) stay_ = *std::move(stay);
    }
  }
  begin_close();
}

}  // namespace weir::core
