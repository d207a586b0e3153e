// The physical floors: what the cheapest imaginable mechanism costs here.

#include <atomic>
#include <coroutine>
#include <memory>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "peer.hpp"

namespace {

// Two locked instructions on one word: the least a shared count can cost.
void locked(const std::string& row) {
  std::atomic<long> word{0};
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 word.fetch_add(1);
                 word.fetch_sub(1);
               }
             }));
}

// A counter that only its own thread writes: load, add, store, twice.
void counter(const std::string& row) {
  long word = 0;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 word += 1;
                 peer::keep(word);
                 word -= 1;
                 peer::keep(word);
               }
             }));
}

struct frame {
  struct promise_type {
    frame get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
  std::coroutine_handle<promise_type> handle;
};

[[gnu::noinline]] frame add_one(long& to) {
  ++to;
  co_return;
}

// A coroutine frame: create, run to the end, destroy.
void coroutine(const std::string& row) {
  long sum = 0;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 const frame one = add_one(sum);
                 one.handle.resume();
                 one.handle.destroy();
               }
               peer::keep(sum);
             }));
}

struct node {
  node* previous;
  node* next;
  std::atomic<bool> cancelled{false};
};

// A child enters and leaves its parent's list, each under an exchange lock.
void linked(const std::string& row) {
  std::atomic<bool> lock{false};
  node head{&head, &head, {}};
  auto under_lock = [&](auto body) {
    while (lock.exchange(true, std::memory_order_acquire)) {
    }
    body();
    lock.store(false, std::memory_order_release);
  };
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 node child{};
                 under_lock([&] {
                   child.previous = &head;
                   child.next = head.next;
                   head.next->previous = &child;
                   head.next = &child;
                 });
                 peer::keep(child);
                 under_lock([&] {
                   child.previous->next = child.next;
                   child.next->previous = child.previous;
                 });
               }
             }));
}

// One flag set in each of 1,000 children of a list.
void walk(const std::string& row) {
  constexpr int children = 1000;
  std::vector<std::unique_ptr<node>> all;
  for (int i = 0; i < children; ++i) {
    all.push_back(std::make_unique<node>());
    if (i > 0) all[i - 1]->next = all[i].get();
  }
  peer::emit(row, "ns", peer::measure(children, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 for (node* at = all[0].get(); at != nullptr; at = at->next) {
                   at->cancelled.store(true);
                 }
               }
             }));
}

void futex(std::atomic<int>& word, int operation, int value) {
  syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void post(std::atomic<int>& word) {
  word = 1;
  futex(word, FUTEX_WAKE, 1);
}

void await(std::atomic<int>& word) {
  while (word.exchange(0) == 0) futex(word, FUTEX_WAIT, 0);
}

// A wake-up: half of a round trip between two threads that sleep in the kernel.
void wake(const std::string& row) {
  constexpr int rounds = 20000;
  std::atomic<int> there{0}, back{0};
  std::thread echo([&] {
    for (int i = 0; i < rounds; ++i) {
      await(there);
      post(back);
    }
  });
  const auto begin = peer::clock::now();
  for (int i = 0; i < rounds; ++i) {
    post(there);
    await(back);
  }
  peer::emit(row, "us", peer::seconds_since(begin) * 1e6 / rounds / 2);
  echo.join();
}

// One look at the monotonic clock.
void look_at_clock(const std::string& row) {
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) peer::keep(peer::clock::now());
             }));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, __VERSION__,
                   {{"locked", locked},
                    {"counter", counter},
                    {"coroutine", coroutine},
                    {"link", linked},
                    {"walk", walk},
                    {"clock", look_at_clock},
                    {"wake", wake}});
}
