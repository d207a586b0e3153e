// Rivals made of the standard library alone: a stopper guarded by a reader lock,
// std::stop_source with std::stop_callback, a pool of mutex + vector.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <thread>

#include "peer.hpp"

namespace {

// Refuse-or-count under a reader lock, held from enter to leave.
void enter_leave(const std::string& row, int callers) {
  std::shared_mutex gate;
  bool stopping = false;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               peer::together(callers, [&](int) {
                 for (std::size_t i = 0; i < n; ++i) {
                   std::shared_lock inside(gate);
                   peer::keep(stopping);
                 }
               });
             }));
}

// The same with a count under a mutex, which is not held meanwhile.
void count_up_and_down(const std::string& row, int callers) {
  std::mutex gate;
  bool stopping = false;
  long inside = 0;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               peer::together(callers, [&](int) {
                 for (std::size_t i = 0; i < n; ++i) {
                   {
                     const std::lock_guard lock(gate);
                     if (stopping) std::abort();
                     ++inside;
                   }
                   peer::keep(n);
                   const std::lock_guard lock(gate);
                   --inside;
                 }
               });
             }));
}

// A thread per task.
void start_and_join(const std::string& row) {
  constexpr int batch = 1000;
  peer::emit(row, "ns", peer::measure(batch, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) peer::together(batch, [](int) {});
             }));
}

// A child: its own stop_source, cancelled through a callback on the parent.
struct child {
  struct relay {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  explicit child(const std::stop_token& parent) : on_parent(parent, relay{&source}) {}
  std::stop_source source;
  std::stop_callback<relay> on_parent;
};

void create_cancel(const std::string& row) {
  std::stop_source parent;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 child one(parent.get_token());
                 one.source.request_stop();
               }
             }));
}

void cancel_children(const std::string& row) {
  constexpr int children = 1000;
  std::vector<double> ns;
  for (int i = 0; i < 50; ++i) {
    std::stop_source parent;
    std::deque<child> all;
    for (int j = 0; j < children; ++j) all.emplace_back(parent.get_token());
    const auto begin = peer::clock::now();
    parent.request_stop();
    ns.push_back(peer::seconds_since(begin) * 1e9 / children);
  }
  peer::emit(row, "ns", peer::median(ns));
}

struct resource {};

class pool {
 public:
  explicit pool(int size) {
    for (int i = 0; i < size; ++i) idle_.push_back(std::make_unique<resource>());
  }
  std::unique_ptr<resource> acquire() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [&] { return !idle_.empty(); });
    auto one = std::move(idle_.back());
    idle_.pop_back();
    return one;
  }
  void release(std::unique_ptr<resource> one) {
    {
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(one));
    }
    returned_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<resource>> idle_;
};

enum class hold { nothing, yield };

// Wall time per acquire and release over all users (threads).
void acquire_release(const std::string& row, pool& from, int users, hold how) {
  constexpr std::size_t per_user = 100;
  peer::emit(row, "ns", peer::measure(users * per_user, [&](std::size_t n) {
               peer::together(users, [&](int) {
                 for (std::size_t i = 0; i < n * per_user; ++i) {
                   auto one = from.acquire();
                   if (how == hold::yield) std::this_thread::yield();
                   from.release(std::move(one));
                 }
               });
             }));
}

// Every acquire of half a second: percentiles, and how many per 1,000 were
// overtaken by one that began at least `users` acquires later.
void waits(const std::string& row, pool& from, int users) {
  std::atomic<long> begun{0}, newest{0}, overtaken{0};
  std::vector<std::vector<double>> us(users);
  const auto end = peer::clock::now() + std::chrono::milliseconds(500);
  peer::together(users, [&](int user) {
    for (auto begin = peer::clock::now(); begin < end; begin = peer::clock::now()) {
      const long ticket = begun++;
      auto one = from.acquire();
      us[user].push_back(peer::seconds_since(begin) * 1e6);
      long seen = newest;
      if (seen >= ticket + users) ++overtaken;
      while (seen < ticket && !newest.compare_exchange_weak(seen, ticket)) {
      }
      std::this_thread::yield();
      from.release(std::move(one));
    }
  });
  std::vector<double> all;
  for (const auto& mine : us) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  peer::emit(row + ".wait_p50", "us", all[all.size() / 2]);
  peer::emit(row + ".wait_p99", "us", all[all.size() * 99 / 100]);
  peer::emit(row + ".wait_max", "us", all.back());
  peer::emit(row + ".inversions", "/1000", double(overtaken) * 1000 / double(all.size()));
}

void pool_row(const std::string& row, int users, int size) {
  pool from(size);
  acquire_release(row, from, users, hold::nothing);
}

void busy_pool_row(const std::string& row) {
  pool from(10);
  acquire_release(row, from, 64, hold::yield);
  waits(row, from, 64);
}

// A budget of retries as most programs write it: a count under a mutex.
class mutex_budget {
 public:
  void earn(long micro) {
    std::lock_guard lock(mutex_);
    micro_ = std::min(micro_ + micro, capacity);
  }
  bool spend() {
    std::lock_guard lock(mutex_);
    if (micro_ < 1'000'000) return false;
    micro_ -= 1'000'000;
    return true;
  }

 private:
  static constexpr long capacity = 1L << 60;
  std::mutex mutex_;
  long micro_ = 0;
};

void spend(const std::string& row) {
  mutex_budget budget;
  budget.earn(1L << 60);
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) peer::keep(budget.spend());
             }));
}

void spend_on_two(const std::string& row) {
  mutex_budget budget;
  peer::emit(row, "ns", peer::measure(2, [&](std::size_t n) {
               peer::together(2, [&](int) {
                 for (std::size_t i = 0; i < n; ++i) {
                   budget.earn(1'000'000);
                   peer::keep(budget.spend());
                 }
               });
             }));
}

}  // namespace

int main(int argc, char** argv) {
  using row = const std::string&;
  return peer::run(argc, argv, __VERSION__,
                   {{"shared_mutex.1caller", [](row r) { enter_leave(r, 1); }},
                    {"shared_mutex.2callers", [](row r) { enter_leave(r, 2); }},
                    {"mutex_count.1caller", [](row r) { count_up_and_down(r, 1); }},
                    {"mutex_count.2callers", [](row r) { count_up_and_down(r, 2); }},
                    {"thread.spawn", start_and_join},
                    {"stop_source.child", create_cancel},
                    {"stop_source.cancel", cancel_children},
                    {"mutex_budget.spend", spend},
                    {"mutex_budget.2threads", spend_on_two},
                    {"mutex.1user", [](row r) { pool_row(r, 1, 1); }},
                    {"mutex.2on2", [](row r) { pool_row(r, 2, 2); }},
                    {"mutex.64on10", [](row r) { pool_row(r, 64, 10); }},
                    {"mutex.queued", busy_pool_row}});
}
