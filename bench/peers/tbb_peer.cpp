// Rival: oneTBB's task_group.

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include "peer.hpp"

namespace {

// Wall time per task: run 1,000, wait for all, with as many threads in TBB as
// the row says; each spawner is an outside thread that works along.
void spawn(const std::string& row, int threads, int spawners) {
  constexpr int batch = 1000;
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
  tbb::task_arena arena(threads, spawners);
  peer::emit(row, "ns", peer::measure(batch * spawners, [&](std::size_t n) {
               peer::together(spawners, [&](int) {
                 arena.execute([&] {
                   tbb::task_group group;
                   for (std::size_t i = 0; i < n; ++i) {
                     for (int j = 0; j < batch; ++j) group.run([j] { peer::keep(j); });
                     group.wait();
                   }
                 });
               });
             }));
}

}  // namespace

int main(int argc, char** argv) {
  using row = const std::string&;
  return peer::run(argc, argv, "oneTBB " TBB_VERSION_STRING,
                   {{"tbb.1thread", [](row r) { spawn(r, 1, 1); }},
                    {"tbb.2threads", [](row r) { spawn(r, 2, 1); }},
                    {"tbb.2spawners", [](row r) { spawn(r, 2, 2); }}});
}
