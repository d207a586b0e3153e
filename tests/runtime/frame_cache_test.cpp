#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/runtime/frame_cache.hpp>

namespace weir::core {
namespace {

TEST(frame_cache, a_block_has_the_size_that_was_asked_for) {
  const frame_cache_scope scope;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t bytes : {0U, 1U, 24U, 25U, 56U, 200U, 1016U, 1017U, 4096U}) {
      void* block = allocate_frame(bytes);
      std::memset(block, 0x5a, bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t), 0U);
      free_frame(block, bytes);
    }
  }
}

TEST(frame_cache, a_freed_block_is_the_next_one_of_its_class) {
  const frame_cache_scope scope;
  void* first = allocate_frame(100);
  free_frame(first, 100);
  void* second = allocate_frame(110);
  EXPECT_EQ(first, second);
  free_frame(second, 110);
}

TEST(frame_cache, blocks_go_through_the_depot_from_thread_to_thread) {
  const frame_cache_scope scope;
  constexpr int count = 5'000;
  std::vector<void*> blocks;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < count; ++i) {
      blocks.push_back(allocate_frame(64));
      std::memset(blocks.back(), round, 64);
    }
    std::thread{[&] {
      const frame_cache_scope other;
      for (void* block : blocks) free_frame(block, 64);
    }}.join();
    blocks.clear();
  }
}

TEST(frame_cache, scopes_nest_and_a_thread_without_one_still_allocates) {
  void* outside = allocate_frame(64);
  void* inside = nullptr;
  {
    const frame_cache_scope outer;
    {
      const frame_cache_scope inner;
      inside = allocate_frame(64);
      free_frame(outside, 64);
    }
    void* again = allocate_frame(64);
    free_frame(again, 64);
  }
  free_frame(inside, 64);
}

}  // namespace
}  // namespace weir::core
