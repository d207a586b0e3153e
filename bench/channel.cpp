// Channels between two tasks that wait under one live context: a value there and its answer back
// without a buffer, and values one way through a buffer of 1,024.
#include <weir/context/wait.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sync/channel.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

struct untracked {
  static void ended(weir::task_record&) noexcept {}
  static void unhandled(weir::task_record&, const std::exception_ptr&) noexcept { std::abort(); }
};

using numbers = weir::channel<std::size_t>;

weir::task<> ask(weir::context ctx, numbers& out, numbers& back, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    static_cast<void>(co_await out.send(ctx, i));
    if (!co_await back.recv(ctx)) std::abort();
  }
  out.close();
}

weir::task<> answer(weir::context ctx, numbers& in, numbers& back) {
  while (auto value = co_await in.recv(ctx)) {
    static_cast<void>(co_await back.send(ctx, *value));
  }
}

weir::task<> produce(weir::context ctx, numbers& out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) static_cast<void>(co_await out.send(ctx, i));
  out.close();
}

weir::task<> consume(weir::context ctx, numbers& in) {
  std::size_t sum = 0;
  while (auto value = co_await in.recv(ctx)) sum += *value;
  peer::keep(sum);
}

/// Runs one task with each callable on `rt` until both have ended.
template <class First, class Second>
void run_both(weir::runtime& rt, First first, Second second) {
  auto one = weir::core::start(rt, {}, {}, first, untracked{});
  auto two = weir::core::start(rt, {}, {}, second, untracked{});
  static_cast<void>(weir::wait(one.join({})));
  static_cast<void>(weir::wait(two.join({})));
}

void unbuffered(const std::string& row, unsigned workers) {
  weir::runtime rt{{.workers = workers}};
  const weir::context_source source;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               numbers there;
               numbers back;
               run_both(
                   rt, [&] { return answer(source.get(), there, back); },
                   [&, n] { return ask(source.get(), there, back, n); });
             }));
}

void buffered(const std::string& row, unsigned workers) {
  weir::runtime rt{{.workers = workers}};
  const weir::context_source source;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               numbers values{1024};
               run_both(
                   rt, [&] { return consume(source.get(), values); },
                   [&, n] { return produce(source.get(), values, n); });
             }));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(
      argc, argv, weir::version_string,
      {{"channel.unbuffered.1worker", [](const std::string& row) { unbuffered(row, 1); }},
       {"channel.unbuffered.2workers", [](const std::string& row) { unbuffered(row, 2); }},
       {"channel.buffered.1worker", [](const std::string& row) { buffered(row, 1); }},
       {"channel.buffered.2workers", [](const std::string& row) { buffered(row, 2); }}});
}
