// expect: deleted
#include <weir/core/sync/mutex.hpp>

void use(weir::core::mutex& guard) {
#ifdef CONTROL
  const weir::core::lock_guard held{guard};
#else
  weir::core::mutex copy{guard};
#endif
}
