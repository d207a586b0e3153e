// Contexts: who may end my work, until when, and why it ended.

#include <chrono>
#include <cstdio>
#include <string>

#include <weir/context/on_cancel.hpp>
#include <weir/context/select.hpp>
#include <weir/context/shield.hpp>
#include <weir/context/sleep.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/channel.hpp>

using namespace std::chrono_literals;

namespace {

// Travels with the request; the address of the key is its name.
constexpr weir::context_key<std::string> request_id;

/// Every wait takes a context: it ends when the context does, with the context's own error.
weir::task<weir::result<int>> ask(weir::context ctx) {
  auto waited = co_await weir::sleep_for(ctx, 1h);
  if (!waited) co_return std::unexpected(waited.error());
  co_return 42;
}

/// A loop that computes and never waits asks the context instead.
weir::result<int> count(const weir::context& ctx) {
  for (int n = 0;; ++n) {
    if (auto go_on = ctx.check(); !go_on) return n;
  }
}

/// The first of several: a message, or half a second.
weir::task<std::string> first(weir::channel<int>* jobs, weir::context ctx) {
  auto job = jobs->recv(ctx);
  auto late = weir::after(500ms);
  auto came = co_await weir::select(job, late);
  co_return came.index() == 0 ? "a job" : "too late";
}

/// Ends in order although its own context has ended.
weir::task<> polite(weir::context ctx) {
  static_cast<void>(co_await weir::until_cancelled(ctx));
  const weir::shield last_words{ctx, 2s};
  static_cast<void>(co_await weir::sleep_for(last_words.get(), 1ms));
  std::puts("said goodbye");
}

}  // namespace

int main() {
  weir::runtime rt;
  weir::stopper stopper{rt, {.name = "contexts"}};

  // A deadline. Children have the earlier of their own and their parent's.
  const weir::context_source request{weir::context{}, {.timeout = 5ms}};
  const auto answer = weir::wait(ask(request.get()));
  std::printf("the answer: %s\n", answer ? "42" : answer.error().to_string().c_str());
  std::printf("counted until the deadline: %s\n", count(request.get()) ? "yes" : "no");

  // Somebody cancels, and says why; the first cause counts.
  weir::context_source session{stopper.ctx()};
  const weir::context named = session.get().with_value(request_id, "r-7");
  const auto closes = weir::on_cancel(named, []() noexcept { std::puts("closes its socket"); });
  session.cancel(weir::error{weir::errc::cancelled, "the client hung up"});
  if (const auto why = named.cancel_cause()) {
    std::printf("request %s: %s\n", named.value(request_id)->c_str(),
                why->what.to_string().c_str());
  }

  // A select ends with whichever is ready first.
  weir::channel<int> jobs{1};
  static_cast<void>(weir::wait(jobs.send({}, 1)));
  std::printf("first came %s\n", weir::wait(first(&jobs, {})).c_str());

  // A task has a context of its stopper: draining when the stop begins, cancelled when the drain
  // budget is over.
  stopper.spawn("polite", polite).value().detach();
  const auto report = weir::wait(stopper.stop({.drain = 0s}));
  return report->exit_code();
}
