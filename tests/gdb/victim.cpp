// Gets into the middle of its work and stops there, for a debugger to look at.

#include <csignal>

#include <weir/stopper/note.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/event.hpp>

namespace {

/// For the debugger to be called when everything is in place.
void stop_here() {
  std::raise(SIGTRAP);
}

}  // namespace

int main() {
  weir::runtime rt{{.workers = 2, .name = "victim"}};
  weir::event never;
  weir::event noted;
  weir::stopper ledger{rt, {.name = "ledger"}};
  weir::stopper empty{rt, {.name = "empty"}};
  const auto waits = [&never]() -> weir::task<> { static_cast<void>(co_await never.wait({})); };
  const auto says = [&never, &noted]() -> weir::task<> {
    weir::note("waiting for peer 7");
    noted.set();
    static_cast<void>(co_await never.wait({}));
  };
  for (int i = 0; i < 20; ++i) ledger.spawn("ledger.settle", waits).value().detach();
  ledger.spawn("ledger.accept", says).value().detach();
  const auto held = empty.try_enter("a permit");
  static_cast<void>(weir::wait(noted.wait({})));
  stop_here();
  never.set();
  return 0;
}
