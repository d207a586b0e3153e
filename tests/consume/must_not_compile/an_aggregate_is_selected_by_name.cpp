// expect: name the send, then select with it
// compiler: gcc
#include <string>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/channel.hpp>

struct order {
  std::string name;
};

weir::task<> place(weir::channel<order>& orders, const weir::context& ctx) {
#ifdef CONTROL
  auto sending = orders.send(ctx, order{.name = "first"});
  (void)co_await weir::select(sending, weir::after(std::chrono::seconds{1}));
#else
  (void)co_await weir::select(orders.send(ctx, order{.name = "first"}),
                              weir::after(std::chrono::seconds{1}));
#endif
}
