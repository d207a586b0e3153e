#include <weir/core/assert.hpp>
#include <weir/runtime/frame_cache.hpp>
#include <weir/runtime/thread_executor.hpp>

namespace weir {

thread_executor::thread_executor(thread_executor_options options)
    : name_(options.name),
      loop_(options.time != nullptr ? *options.time : steady_clock(), name_.c_str()) {
  if (options.blocking == blocking_policy::allowed) loop_.allow_blocking();
  loop_.set_linger(options.linger);
  const int failure =
      thread_.start(name_, [](void* self) { static_cast<thread_executor*>(self)->run(); }, this);
  WEIR_ASSERT(failure == 0, "the system refused to start a thread executor's thread");
  started_.wait();
}

thread_executor::~thread_executor() {
  stopping_.store(true);
  loop_.wake();
  thread_.join();
}

void thread_executor::run() noexcept {
  const core::frame_cache_scope cache;
  thread_id_.store(core::this_thread_id());
  started_.wake();
  loop_.run_until(
      [](void* self) noexcept { return static_cast<thread_executor*>(self)->stopping_.load(); },
      this);
  loop_.run_until_idle();
}

}  // namespace weir
