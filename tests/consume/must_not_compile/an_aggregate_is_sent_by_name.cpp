// expect: name the send, then await it
// compiler: gcc
#include <string>

#include <weir/runtime/task.hpp>
#include <weir/sync/channel.hpp>

struct order {
  std::string name;
};

weir::task<> place(weir::channel<order>& orders, const weir::context& ctx) {
#ifdef CONTROL
  auto sending = orders.send(ctx, order{.name = "first"});
  (void)co_await sending;
#else
  (void)co_await orders.send(ctx, order{.name = "first"});
#endif
}
