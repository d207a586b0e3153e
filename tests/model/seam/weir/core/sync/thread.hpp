#pragma once

#include <cstdint>
#include <string_view>

namespace weir::core {

/// The model's thread: a fiber of the explorer, at most seven per execution.
class thread {
 public:
  using entry = void (*)(void*);

  thread() noexcept = default;
  thread(thread&& other) noexcept;
  thread& operator=(thread&& other) noexcept;
  ~thread();

  int start(std::string_view name, entry run, void* argument) noexcept;

  [[nodiscard]] bool joinable() const noexcept { return started_; }

  void join() noexcept;

 private:
  unsigned number_ = 0;
  bool started_ = false;
};

std::uintptr_t this_thread_id() noexcept;

/// As cpu_relax(): the others go first.
void yield_thread() noexcept;
inline void wait_a_little(int) noexcept {
  yield_thread();
}

/// What the model's limits say.
unsigned available_processors() noexcept;

}  // namespace weir::core
