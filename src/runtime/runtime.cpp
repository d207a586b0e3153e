#include <algorithm>
#include <cstdio>

#include <weir/context/task_record.hpp>
#include <weir/core/assert.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/runtime_core.hpp"

namespace weir {
namespace core {

runtime_core::runtime_core(const runtime_options& options)
    : name(options.name),
      blocking_name(name + " blocking"),
      time(options.time != nullptr ? *options.time : steady_clock()),
      clock_timers(time.timers()),
      log(options.log != nullptr ? *options.log : no_log()),
      linger(options.linger),
      idle(
          options.workers,
          [](void* self, std::uint32_t set) noexcept {
            static_cast<runtime_core*>(self)->reactor.kick(set);
          },
          this),
      reactor(std::min(options.workers, core::reactor::most_sets)),
      held(options.held_after),
      blocking(name, options.max_blocking_threads, options.blocking_idle, log) {
  weir_debug_runtimes.add(debug);
  const sharing who = options.workers == 1 ? sharing::alone : sharing::shared;
  workers.reserve(options.workers);
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    workers.push_back(std::make_unique<worker>(*this, i, who));
  }
}

void runtime_core::inject(work& item) noexcept {
  // Once it is queued, it may run, and the program may end the runtime.
  visitors.fetch_add(1);
  injected.push(item);
  idle.wake_one();
  visitors.fetch_sub(1);
}

void runtime_core::run_leftovers() noexcept {
  const no_blocking_scope no_blocking{name.c_str()};
  bool found = true;
  while (found) {
    found = false;
    for (const auto& one : workers) found |= one->timers().expire(time_point::max()) != 0;
    while (work* item = injected.pop(1).head) {
      item->run();
      found = true;
    }
  }
}

}  // namespace core

namespace {

runtime_options completed(runtime_options options) noexcept {
  if (options.workers == 0) options.workers = core::available_processors();
  return options;
}

}  // namespace

runtime::runtime(runtime_options options)
    : core_(std::make_unique<core::runtime_core>(completed(options))) {
  for (std::size_t i = 0; i < core_->workers.size(); ++i) {
    const int failure = core_->workers[i]->start(core_->name + "-w" + std::to_string(i));
    WEIR_ASSERT(failure == 0, "the system refused to start a worker thread");
  }
}

runtime::~runtime() {
  assert_nothing_lives();
  core_->reactor.close_all();
  core_->blocking.stop();
  core_->stopping.store(true);
  core_->idle.wake_all();
  for (const auto& one : core_->workers) one->join();
  core_->run_leftovers();
  // Whoever scheduled the last item may still be inside its wake-up.
  for (int round = 0; core_->visitors.load() != 0; ++round) core::wait_a_little(round);
}

void runtime::assert_nothing_lives() noexcept {
  if (core_->live.empty()) return;
  static char sentence[1024];  // the process ends with it
  int used =
      std::snprintf(sentence, sizeof sentence,
                    "runtime '%s' is destroyed before what lives on it:", core_->name.c_str());
  for (const registry::item& one : core_->live.snapshot()) {
    const std::size_t room = sizeof sentence - static_cast<std::size_t>(used);
    const int more = std::snprintf(sentence + used, room, " %s '%s' (made at %s:%u)",
                                   one.kind.c_str(), one.name.c_str(), one.site.file_name(),
                                   static_cast<unsigned>(one.site.line()));
    used = std::min(used + more, static_cast<int>(sizeof sentence) - 1);
  }
  core_->log.write(log_level::error, sentence);
  core::misuse(sentence);
}

void runtime::execute(core::work& item) noexcept {
  if (core::worker* here = core_->here()) {
    here->schedule(item);
  } else {
    core_->inject(item);
  }
}

core::timer_service& runtime::timers() noexcept {
  if (core_->clock_timers != nullptr) return *core_->clock_timers;
  if (core::worker* here = core_->here()) return here->timers();
  // An address: its low bits are the same for all threads.
  return core_->workers[(core::this_thread_id() >> 12U) % core_->workers.size()]->timers();
}

clock& runtime::time() noexcept {
  return core_->time;
}

const char* runtime::name() const noexcept {
  return core_->name.c_str();
}

void runtime::execute_blocking(core::work& item) noexcept {
  core_->blocking.execute(item);
}

core::executor& runtime::blocking() noexcept {
  return blocking_;
}

const char* runtime::blocking_executor::name() const noexcept {
  return owner_.core_->blocking_name.c_str();
}

registry& runtime::live() noexcept {
  return core_->live;
}

snapshot runtime::snapshot(snapshot_detail detail) {
  return {.runtime = core_->name,
          .detail = detail,
          .entries = core_->live.look(detail),
          .held = core_->held.held(*core_, core::monotonic_now())};
}

void runtime::look_at_workers() {
  core_->held.look(*core_, core::monotonic_now());
}

unsigned runtime::workers() const noexcept {
  return static_cast<unsigned>(core_->workers.size());
}

log_sink& runtime::log() const noexcept {
  return core_->log;
}

bool runtime::is_worker_thread() const noexcept {
  return core_->here() != nullptr;
}

core::reactor& runtime::reactor() noexcept {
  return core_->reactor;
}

runtime_stats runtime::stats() const {
  runtime_stats all;
  for (const auto& one : core_->workers) {
    // relaxed: figures for people.
    all.executed += one->counters().executed.load(std::memory_order_relaxed);
    all.stolen += one->counters().stolen.load(std::memory_order_relaxed);
    all.parks += one->counters().parks.load(std::memory_order_relaxed);
    all.timers += one->timers().armed();
  }
  all.queued = core_->injected.size();
  all.sleeping = core_->idle.sleepers();
  const auto blocking = core_->blocking.count();
  all.blocking_threads = blocking.now;
  all.blocking_idle = blocking.idle;
  all.blocking_peak = blocking.peak;
  all.blocking_queued = blocking.queued;
  return all;
}

}  // namespace weir
