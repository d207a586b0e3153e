#include "explorer/fiber.hpp"

#include <cstdint>

#if defined(__x86_64__)

// The callee-saved registers go on the old stack, then the stack pointers change places. The
// floating-point control words are not part of it: nothing in a model changes them.
extern "C" void weir_model_switch(void** save, void* load) noexcept;
asm(R"(
.text
.globl weir_model_switch
.type weir_model_switch, @function
weir_model_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size weir_model_switch, .-weir_model_switch
)");

namespace weir::model {

void fiber::prepare(std::byte* stack, std::size_t bytes, entry run) noexcept {
  const auto top = (reinterpret_cast<std::uintptr_t>(stack) + bytes) & ~std::uintptr_t{15};
  auto* words = reinterpret_cast<void**>(top);
  *--words = nullptr;  // no caller: ends a stack walk, and aligns as after a call
  *--words = reinterpret_cast<void*>(run);
  for (int saved = 0; saved < 6; ++saved) *--words = nullptr;
  state_ = words;
}

void fiber::switch_to(fiber& from, fiber& to) noexcept {
  weir_model_switch(&from.state_, to.state_);
}

}  // namespace weir::model

#else

#include <memory>
#include <unordered_map>

#include <ucontext.h>

namespace weir::model {
namespace {

// Contexts live beside the fibers, because a fiber is only a word on the fast platform.
ucontext_t& context_of(void** key) {
  static std::unordered_map<void**, std::unique_ptr<ucontext_t>> contexts;
  auto& slot = contexts[key];
  if (!slot) slot = std::make_unique<ucontext_t>();
  return *slot;
}

}  // namespace

void fiber::prepare(std::byte* stack, std::size_t bytes, entry run) noexcept {
  ucontext_t& context = context_of(&state_);
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = bytes;
  context.uc_link = nullptr;
  makecontext(&context, run, 0);
}

void fiber::switch_to(fiber& from, fiber& to) noexcept {
  swapcontext(&context_of(&from.state_), &context_of(&to.state_));
}

}  // namespace weir::model

#endif
