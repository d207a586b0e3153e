#include "explorer/model.hpp"

#include <cstdint>
#include <cstring>
#include <string>

namespace weir::model {
namespace {

struct promise {
  const char* sentence;
  bool kept;
};
constexpr unsigned max_promises = 64;
promise promises[max_promises];
unsigned promises_used = 0;

struct futex_sleeper {
  const void* word = nullptr;
  std::uint64_t serial = 0;
};
futex_sleeper sleepers[max_threads];

std::string noun_of(const char* file) {
  std::string noun = file_name(file);
  noun.resize(noun.find('.'));
  const auto end = noun.rfind("_model");
  if (end != std::string::npos) noun.resize(end);
  return noun;
}

}  // namespace

std::vector<entry>& registry() {
  static std::vector<entry> all;
  return all;
}

registration::registration(const char* file, const char* name, void (*body)(bool), limits within) {
  registry().push_back({noun_of(file) + "." + name, body, within, nullptr, false});
}

planted_registration::planted_registration(const char* name, const char* finds, void (*body)(bool),
                                           limits within) {
  within.pct = 0;
  const std::string full = std::string("planted.") + name;
  registry().push_back({full, body, within, finds, true});
  registry().push_back({full + ".fixed", body, within, nullptr, false});
}

void sometimes(bool happened, const char* sentence) noexcept {
  for (unsigned i = 0; i < promises_used; ++i) {
    if (std::strcmp(promises[i].sentence, sentence) != 0) continue;
    promises[i].kept |= happened;
    return;
  }
  if (promises_used == max_promises) fail("a model has too many sentences in sometimes()");
  promises[promises_used++] = {sentence, happened};
}

std::vector<const char*> never_happened() {
  std::vector<const char*> broken;
  for (unsigned i = 0; i < promises_used; ++i) {
    if (!promises[i].kept) broken.push_back(promises[i].sentence);
  }
  return broken;
}

void forget_sometimes() noexcept {
  promises_used = 0;
}

void advance(std::chrono::nanoseconds by, std::source_location where) noexcept {
  step(op::advance, nullptr, where);
  execution::current.advance(by);
  if (tracing) trace(op::advance, nullptr, "", 0, where);
}

bool futex_wait(const void* word, std::uint32_t expected, time_point deadline,
                std::source_location where) noexcept {
  execution& here = execution::current;
  step(op::futex_wait, word, where);
  std::uint32_t seen = 0;
  std::memcpy(&seen, word, sizeof seen);
  if (seen != expected) return true;
  futex_sleeper& self = sleepers[here.thread()];
  self = {word, here.serial()};
  here.block(op::futex_wait, word, deadline, true);
  // Neither woken nor past the deadline is a wake-up for no reason: the caller cannot tell.
  const bool woken = self.word == nullptr;
  self.word = nullptr;
  const bool timed_out = !woken && deadline != time_point::max() && deadline <= here.now();
  if (tracing) {
    trace(op::futex_wait, word,
          woken       ? "woken"
          : timed_out ? "timed out"
                      : "woke for no reason",
          0, where);
  }
  return !timed_out;
}

void futex_wake(const void* word, unsigned count, std::source_location where) noexcept {
  execution& here = execution::current;
  step(op::futex_wake, word, where);
  for (; count != 0; --count) {
    unsigned waiting[max_threads];
    unsigned n = 0;
    for (unsigned thread = 0; thread < max_threads; ++thread) {
      if (sleepers[thread].word == word && sleepers[thread].serial == here.serial()) {
        waiting[n++] = thread;
      }
    }
    if (n == 0) break;
    const unsigned chosen = waiting[here.pick(n)];
    sleepers[chosen].word = nullptr;
    here.make_ready(1U << chosen);
  }
  if (tracing) trace(op::futex_wake, word, "", 0, where);
}

}  // namespace weir::model
