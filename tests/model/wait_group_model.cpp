#include <memory>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/wait_group.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

WEIR_MODEL(a_wait_ends_when_all_are_done_and_not_before) {
  wait_group all{3};
  core::atomic<int> ended{0};
  model::threads(
      [&] {
        ended.fetch_add(1);
        all.done();
        ended.fetch_add(1);
        all.done();
      },
      [&] {
        ended.fetch_add(1);
        all.done();
      },
      [&] {
        static_cast<void>(wait(all.wait({})));
        model::check(ended.load() == 3, "all were done before the wait returned");
        static_cast<void>(wait(all.wait({})));
      });
}

WEIR_MODEL(a_group_may_be_destroyed_after_its_wait) {
  auto owner = std::make_unique<wait_group>(2);
  wait_group& all = *owner;
  model::threads([&] { all.done(); }, [&] { all.done(); },
                 [&] {
                   static_cast<void>(wait(all.wait({})));
                   owner.reset();
                 });
}

WEIR_MODEL(a_group_can_be_used_again_while_some_are_running) {
  wait_group all{1};
  core::atomic<int> ended{0};
  model::threads(
      [&] {
        all.add();
        ended.fetch_add(1);
        all.done();
        ended.fetch_add(1);
        all.done();
      },
      [&] {
        static_cast<void>(wait(all.wait({})));
        model::check(ended.load() == 2, "the one that was added inside is waited for");
      });
}

/// The one that was there ends while another one is added: the waiter waits for that one too.
WEIR_MODEL(an_add_while_the_last_one_ends_is_waited_for) {
  wait_group all{1};
  core::atomic<bool> added{false};
  core::atomic<bool> ended{false};
  model::threads([&] { all.done(); },
                 [&] {
                   all.add();
                   added.store(true);
                   static_cast<void>(wait(all.wait({})));
                   model::check(ended.load(), "the one that was added has ended");
                 },
                 [&] {
                   while (!added.load()) core::cpu_relax();
                   ended.store(true);
                   all.done();
                 });
}

WEIR_MODEL(a_cancelled_wait_leaves_the_group_usable) {
  context_source source;
  wait_group all{1};
  bool cut_short = false;
  model::threads(
      [&] {
        cut_short = !wait(all.wait(source.get()));
        static_cast<void>(wait(all.wait({})));
      },
      [&] { source.cancel(); }, [&] { all.done(); });
  model::sometimes(cut_short, "the cancel was first");
  model::sometimes(!cut_short, "the group was first");
}

}  // namespace
