#include <algorithm>

#include <weir/pool/acquire.hpp>
#include <weir/pool/cells.hpp>

namespace weir::core {
namespace {

atomic<std::size_t> places_taken{0};

}  // namespace

std::size_t pool_cells::find_place() noexcept {
  // relaxed: a number of its own is all that is wanted.
  return place::get() = places_taken.fetch_add(1, std::memory_order_relaxed) + 1;
}

void pool_queue::push(acquire_base& op) noexcept {
  op.ticket_ = ++tickets_;
  queues_[op.rank()].push_back(op);
  ++sizes_[op.rank()];
  ++size_;
}

void pool_queue::remove(acquire_base& op) noexcept {
  intrusive_list<wait_node>::unlink(op);
  --sizes_[op.rank()];
  --size_;
}

acquire_base* pool_queue::next(std::size_t in_use, const limits& most) noexcept {
  if (size_ == 0) return nullptr;
  for (std::size_t i = 0; i < pool_priorities; ++i) {
    if (sizes_[i] != 0 && in_use < most[i]) return static_cast<acquire_base*>(queues_[i].front());
  }
  return nullptr;
}

acquire_base* pool_queue::oldest() noexcept {
  acquire_base* first = nullptr;
  for (auto& one : queues_) {
    auto* head = static_cast<acquire_base*>(one.front());
    if (head != nullptr && (first == nullptr || head->ticket_ < first->ticket_)) first = head;
  }
  return first;
}

std::size_t pool_queue::servable(std::size_t in_use, const limits& most) const noexcept {
  std::size_t served = 0;
  for (std::size_t i = 0; i < pool_priorities; ++i) {
    const std::size_t busy = in_use + served;
    if (busy < most[i]) served += std::min(sizes_[i], most[i] - busy);
  }
  return served;
}

std::size_t pool_queue::ahead_of(std::size_t rank) const noexcept {
  std::size_t ahead = 0;
  for (std::size_t i = 0; i <= rank; ++i) ahead += sizes_[i];
  return ahead;
}

}  // namespace weir::core
