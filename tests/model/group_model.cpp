// The queue of scripts that wait for a shared COMMIT, on a task that commits by noting it.

#include <array>
#include <memory>
#include <string_view>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"
#include "sql/group_lane.hpp"

namespace {

using namespace weir;
using core::group_job;
using core::group_operation;
using core::group_run;

/// The lane with its task on a thread of the model's, and two scripts: "a" and "b".
struct office {
  static constexpr std::size_t most_starts = 2;

  core::group_lane lane{{}, {.start = &office::start, .owner = this}};
  std::array<event, most_starts> started;
  core::atomic<std::size_t> starts{0};
  core::atomic<bool> over{false};
  core::atomic<int> callers;
  std::array<bool, 2> committed{};
  core::atomic<int> groups{0};
  bool commits_hang = false;  // until nobody waits for them

  explicit office(int expected) : callers(expected) {}

  static void start(void* self) noexcept {
    auto& me = *static_cast<office*>(self);
    const std::size_t number = me.starts.fetch_add(1);
    model::check(number < most_starts, "a task is started only when there is none");
    me.started[number].set();
  }

  /// The thread of the tasks.
  void serve() {
    for (event& one : started) {
      static_cast<void>(wait(one.wait({})));
      if (over.load()) return;
      do {
        commit_group();
      } while (lane.more());
      lane.at_end();
    }
  }
  void commit_group() {
    const auto run = std::make_shared<group_run>(steady_clock());
    lane.take(run);
    if (!run->jobs.empty()) groups.fetch_add(1);
    if (commits_hang && !run->jobs.empty()) {
      event hangs;
      model::check(!wait(hangs.wait(run->source.get())), "it ends when nobody waits for it");
    }
    for (const auto& job : run->jobs) {
      const bool is_a = job->script.text(0) == std::string_view{"a"};
      if (!commits_hang) committed[is_a ? 0 : 1] = true;
      job->script.restart();
      job->script.succeed();
    }
    lane.finish(*run);
  }

  result<sql::script_result> run(const char* text, const context& ctx) {
    sql::script s;
    s.add(sql::statement_text{std::string_view{text}});
    const auto job = std::make_shared<group_job>(std::move(s), sql::run_options{});
    auto done = wait(group_operation{lane, job, ctx});
    leave();
    return done;
  }
  void leave() {
    if (callers.fetch_sub(1) != 1) return;
    // The task may still be on its way out.
    lane.close();
    static_cast<void>(wait(lane.ended({})));
    over.store(true);
    for (event& one : started) one.set();
  }
};

WEIR_MODEL(a_script_that_comes_while_the_task_ends_is_committed, .pct = 5'000) {
  office on{2};
  model::threads([&] { model::check(on.run("a", {}).has_value(), "a was committed"); },
                 [&] { model::check(on.run("b", {}).has_value(), "b was committed"); },
                 [&] { on.serve(); });
  model::check(on.committed[0] && on.committed[1], "nobody was told of a commit that was not");
  model::sometimes(on.groups.load() == 1, "they shared a commit");
  model::sometimes(on.groups.load() == 2, "they came one after the other");
  model::sometimes(on.starts.load() == 2, "the task had ended in between");
}

WEIR_MODEL(a_cancelled_script_is_not_sent_or_its_outcome_is_unknown, .pct = 5'000) {
  office on{2};
  context_source source;
  errc told{};
  bool done = false;
  model::threads(
      [&] {
        const auto a = on.run("a", source.get());
        done = a.has_value();
        if (!a) told = a.error().code();
      },
      [&] {
        source.cancel();
        model::check(on.run("b", {}).has_value(), "the other one is not disturbed");
      },
      [&] { on.serve(); });
  model::check(!done || on.committed[0], "who is told of a commit has one");
  model::check(done || told == errc::cancelled || told == errc::commit_unknown, "why it left");
  model::check(done || told != errc::cancelled || !on.committed[0], "not sent is not sent");
  model::sometimes(done, "the commit was first");
  model::sometimes(!done && told == errc::cancelled, "it left the queue");
  model::sometimes(!done && told == errc::commit_unknown, "it left a group that ran");
}

WEIR_MODEL(a_group_that_nobody_waits_for_ends) {
  office on{1};
  on.commits_hang = true;
  context_source source;
  model::threads([&] { model::check(!on.run("a", source.get()), "it was cancelled"); },
                 [&] { source.cancel(); }, [&] { on.serve(); });
  model::sometimes(on.groups.load() == 1, "it was taken before that");
  model::sometimes(on.groups.load() == 0, "it was not");
}

WEIR_MODEL(a_lane_that_closes_leaves_nobody_waiting, .pct = 5'000) {
  office on{2};
  result<sql::script_result> a;
  model::threads([&] { a = on.run("a", {}); },
                 [&] {
                   on.lane.close();
                   on.leave();
                 },
                 [&] { on.serve(); });
  model::check(a.has_value() == on.committed[0], "told as it was");
  model::check(a || a.error().code() == errc::closed, "by the close");
  model::sometimes(a.has_value(), "the commit was first");
  model::sometimes(!a, "the close was first");
}

}  // namespace
