#include "contention.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <queue>
#include <vector>

#include <weir/retry/backoff.hpp>

#include "random.hpp"

namespace weir::simulate {

namespace {

using namespace std::chrono_literals;

// The paper's exponent is 1 before the first retry: its waits begin with twice the base. Its
// decorrelated jitter begins with the base itself.
constexpr duration base = 5ms;
constexpr duration cap = 2s;
const strategy all[strategies] = {
    {"none", {.initial_backoff = 0ms, .max_backoff = 0ms, .jitter = jitter::none}},
    {"exponential", {.initial_backoff = 2 * base, .max_backoff = cap, .jitter = jitter::none}},
    {"equal", {.initial_backoff = 2 * base, .max_backoff = cap, .jitter = jitter::equal}},
    {"full", {.initial_backoff = 2 * base, .max_backoff = cap, .jitter = jitter::full}},
    {"decorrelated", {.initial_backoff = base, .max_backoff = cap, .jitter = jitter::decorrelated}},
};

/// A message on its way. What it means follows from where in its round the client is.
struct message {
  enum class kind : std::uint8_t { read, version, write, verdict };

  double arrives_ms;
  std::uint32_t client;
  kind what;
  bool success;           // of a verdict
  std::uint64_t version;  // of the row: read, or written against

  bool operator>(const message& other) const noexcept { return arrives_ms > other.arrives_ms; }
};

class world {
 public:
  world(std::size_t clients, const strategy& how, std::uint64_t seed) : chance_(seed) {
    backoffs_.reserve(clients);
    for (std::uint32_t client = 0; client < clients; ++client) {
      backoffs_.emplace_back(how.waits, chance_.next());
      send({0, client, message::kind::read, false, 0});
    }
  }

  contention run() {
    while (!under_way_.empty()) {
      const message arrived = under_way_.top();
      under_way_.pop();
      now_ms_ = arrived.arrives_ms;
      receive(arrived);
    }
    return {static_cast<double>(writes_), now_ms_};
  }

 private:
  void receive(message it) {
    switch (it.what) {
      case message::kind::read:  // at the server
        send({now_ms_, it.client, message::kind::version, false, row_version_});
        return;
      case message::kind::version:  // at the client
        send({now_ms_, it.client, message::kind::write, false, it.version});
        return;
      case message::kind::write:  // at the server
        ++writes_;
        it.success = it.version == row_version_;
        if (it.success) ++row_version_;
        send({now_ms_, it.client, message::kind::verdict, it.success, 0});
        return;
      case message::kind::verdict:  // at the client
        if (it.success) return;
        const std::chrono::duration<double, std::milli> wait = backoffs_[it.client].next();
        send({now_ms_ + wait.count(), it.client, message::kind::read, false, 0});
        return;
    }
  }

  // The time of `it` is when it is sent.
  void send(message it) {
    it.arrives_ms += std::abs(chance_.normal(10, 2));
    under_way_.push(it);
  }

  random chance_;
  std::vector<backoff> backoffs_;
  std::priority_queue<message, std::vector<message>, std::greater<>> under_way_;
  std::uint64_t row_version_ = 0;
  std::uint64_t writes_ = 0;
  double now_ms_ = 0;
};

}  // namespace

const strategy& strategy_at(std::size_t index) noexcept {
  return all[index];
}

contention contend(std::size_t clients, const strategy& how, std::uint64_t seed) {
  return world{clients, how, seed}.run();
}

contention_statistics contend(std::size_t clients, const strategy& how, std::uint64_t seed,
                              std::size_t runs) {
  contention_statistics all_runs;
  for (std::size_t run = 0; run < runs; ++run) {
    const contention one = contend(clients, how, seed * 1'000'003 + run);
    all_runs.writes.add(one.writes);
    all_runs.makespan_ms.add(one.makespan_ms);
  }
  return all_runs;
}

}  // namespace weir::simulate
