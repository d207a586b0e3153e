// The owner of a biased lock, and those who take the bias away. That a plain store and a look after
// it are seen in that order is tests/relacy's.

#include <array>
#include <cstddef>

#include <weir/core/biased_mutex.hpp>
#include <weir/core/sync/fence.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

struct shared {
  core::biased_mutex lock{2};
  core::atomic<int> inside{0};
  // Guarded by the lock.
  std::array<int, 3> biased{};  // uses by bias, by who
  int uses = 0;

  void use(std::size_t me) {
    const bool by_bias = lock.lock(me);
    enter();
    if (by_bias) ++biased[me];
    lock.unlock(by_bias);
  }
  void enter() {
    model::check(inside.fetch_add(1) == 0, "two threads hold the lock");
    ++uses;
    inside.fetch_sub(1);
  }
};

constexpr std::size_t owner = 1;
constexpr std::size_t other = 2;
constexpr std::size_t third = 3;

WEIR_MODEL(who_takes_the_bias_away_waits_for_an_owner_that_is_inside) {
  shared it;
  for (int i = 0; i < 2; ++i) it.use(owner);
  model::threads(
      [&] {
        for (int i = 0; i < 2; ++i) it.use(owner);
      },
      [&] { it.use(other); });
  model::check(it.uses == 5, "each use happened");
  model::sometimes(it.biased[owner] == 2, "the owner was faster");
  model::sometimes(it.biased[owner] == 0, "the other one was faster");
}

WEIR_MODEL(a_bias_that_was_taken_away_comes_back) {
  shared it;
  for (int i = 0; i < 2; ++i) it.use(owner);
  bool before = false;
  bool after = false;
  model::threads(
      [&] {
        for (int i = 0; i < 4; ++i) {
          const int had = it.biased[owner];
          it.use(owner);
          if (it.biased[owner] == had) before = true;
          if (it.biased[owner] != had && before) after = true;
        }
      },
      [&] { it.use(other); });
  model::check(it.uses == 7, "each use happened");
  model::sometimes(!before, "it was never missed");
  model::sometimes(after, "it came back");
}

WEIR_MODEL(a_bias_never_goes_to_another) {
  shared it;
  const auto use_three_times = [&](std::size_t me) {
    for (int i = 0; i < 3; ++i) it.use(me);
  };
  model::threads([&] { use_three_times(owner); }, [&] { use_three_times(other); });
  for (const std::size_t me : {owner, other}) use_three_times(me);
  model::check(it.biased[owner] == 0 || it.biased[other] == 0, "only one of them gets it");
  model::check(it.uses == 12, "each use happened");
  model::sometimes(it.biased[owner] != 0, "it was this one");
  model::sometimes(it.biased[other] != 0, "it was that one");
}

WEIR_MODEL(one_fence_takes_several_biases_away) {
  shared left;
  shared right;
  for (int i = 0; i < 2; ++i) {  // biased by the second one
    left.use(owner);
    right.use(other);
  }
  model::threads([&] { left.use(owner); }, [&] { right.use(other); },
                 [&] {
                   bool fence = left.lock.begin_lock(third);
                   fence = right.lock.begin_lock(third) || fence;
                   model::check(fence, "both were biased");
                   core::heavy_fence();
                   left.lock.end_lock();
                   right.lock.end_lock();
                   left.enter();
                   right.enter();
                   left.lock.unlock(false);
                   right.lock.unlock(false);
                 });
  model::check(left.uses == 4 && right.uses == 4, "each use happened");
}

}  // namespace
