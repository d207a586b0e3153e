#include <chrono>
#include <memory>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/channel.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

WEIR_MODEL(values_arrive_once_and_in_order_through_a_rendezvous) {
  channel<int> pipe;
  model::threads(
      [&] {
        static_cast<void>(wait(pipe.send({}, 1)));
        static_cast<void>(wait(pipe.send({}, 2)));
        pipe.close();
      },
      [&] {
        int expected = 1;
        while (auto got = wait(pipe.recv({}))) model::check(*got == expected++, "in order");
        model::check(expected == 3, "all of them");
      });
}

WEIR_MODEL(values_arrive_once_and_in_order_through_a_ring) {
  channel<int> pipe{1};
  model::threads(
      [&] {
        for (int i = 1; i <= 3; ++i) static_cast<void>(wait(pipe.send({}, i)));
        pipe.close();
      },
      [&] {
        int expected = 1;
        while (auto got = wait(pipe.recv({}))) model::check(*got == expected++, "in order");
        model::check(expected == 4, "all of them");
      });
}

WEIR_MODEL(two_senders_and_two_receivers_lose_nothing) {
  channel<int> pipe;
  int sum[2] = {};
  const auto send = [&](int value) { static_cast<void>(wait(pipe.send({}, value))); };
  const auto receive = [&](int& into) { into = wait(pipe.recv({})).value_or(0); };
  model::threads([&] { send(1); }, [&] { send(2); }, [&] { receive(sum[0]); },
                 [&] { receive(sum[1]); });
  model::check(sum[0] + sum[1] == 3, "each value reached one receiver");
}

WEIR_MODEL(a_value_is_received_or_stays_with_its_sender_when_closed) {
  channel<std::unique_ptr<int>> pipe{1};
  int sent = 0;
  int received = 0;
  model::threads(
      [&] {
        for (int i = 0; i < 2; ++i) {
          const context never;
          auto sending = pipe.send(never, std::make_unique<int>(i));
          if (wait(sending)) {
            ++sent;
          } else {
            model::check(sending.value() != nullptr, "a value that was not sent is still there");
          }
        }
      },
      [&] {
        while (wait(pipe.recv({}))) ++received;
      },
      [&] { pipe.close(); });
  model::check(sent == received, "as many were received as were sent");
  model::sometimes(sent == 0, "the close was first");
  model::sometimes(sent == 2, "the close was last");
}

WEIR_MODEL(a_cancel_against_a_rendezvous_moves_the_value_or_leaves_it) {
  channel<std::unique_ptr<int>> pipe;
  context_source source;
  bool sent = false;
  bool received = false;
  model::threads(
      [&] {
        const context mine = source.get();
        auto sending = pipe.send(mine, std::make_unique<int>(1));
        sent = wait(sending).has_value();
        if (!sent) model::check(sending.value() != nullptr, "a value that was not sent stays");
        if (!sent) pipe.close();
      },
      [&] { received = wait(pipe.recv({})).has_value(); }, [&] { source.cancel(); });
  model::check(sent == received, "both sides agree");
  model::sometimes(sent, "they met");
  model::sometimes(!sent, "the cancel was first");
}

WEIR_MODEL(two_selects_meet_on_exactly_one_channel) {
  channel<int> left;
  channel<int> right;
  std::size_t which[2] = {9, 9};
  model::threads([&] { which[0] = wait(select(left.send({}, 1), right.recv({}))).index(); },
                 [&] { which[1] = wait(select(left.recv({}), right.send({}, 2))).index(); });
  model::check(which[0] == which[1], "both completed the same case");
  model::sometimes(which[0] == 0, "they met on the left one");
  model::sometimes(which[0] == 1, "they met on the right one");
}

WEIR_MODEL(selects_in_opposite_orders_meet) {
  channel<int> left;
  channel<int> right;
  int got[2] = {};
  model::threads(
      [&] {
        const auto r = wait(select(right.send({}, 1), left.recv({})));
        if (r.index() == 1) got[0] = std::get<1>(r).value_or(0);
      },
      [&] {
        const auto r = wait(select(left.send({}, 2), right.recv({})));
        if (r.index() == 1) got[1] = std::get<1>(r).value_or(0);
      });
  model::check((got[0] == 2) != (got[1] == 1), "exactly one value changed hands");
}

WEIR_MODEL(a_select_never_meets_itself) {
  channel<int> pipe;
  std::size_t which[2] = {9, 9};
  model::threads([&] { which[0] = wait(select(pipe.send({}, 1), pipe.recv({}))).index(); },
                 [&] { which[1] = wait(select(pipe.send({}, 2), pipe.recv({}))).index(); });
  model::check(which[0] + which[1] == 1, "one sent and one received");
}

WEIR_MODEL(three_selects_leave_one_alone) {
  channel<int> left;
  channel<int> right;
  context_source source;
  core::atomic<int> met{0};
  const auto meet = [&](channel<int>& a, channel<int>& b) {
    const context mine = source.get();
    const auto r = wait(select(a.send(mine, 1), b.recv(mine)));
    const bool ok = r.index() == 0 ? std::get<0>(r).has_value() : std::get<1>(r).has_value();
    if (ok && met.fetch_add(1) == 1) source.cancel();
  };
  model::threads([&] { meet(left, right); }, [&] { meet(right, left); },
                 [&] { meet(left, right); });
  model::check(met.load() == 2, "two met, the third was cancelled");
}

WEIR_MODEL(a_timeout_against_a_rendezvous_completes_one_case, .timeouts = 1) {
  channel<int> pipe;
  bool received = false;
  bool sent = false;
  model::threads(
      [&] {
        received = wait(select(pipe.recv({}), after(1ms))).index() == 0;
        pipe.close();
      },
      [&] { sent = wait(pipe.send({}, 1)).has_value(); });
  model::check(sent == received, "both sides agree");
  model::sometimes(sent, "they met");
  model::sometimes(!sent, "the timer was first");
}

WEIR_MODEL(a_channel_may_be_destroyed_when_both_sides_came_back) {
  auto owner = std::make_unique<channel<int>>();
  channel<int>& pipe = *owner;
  core::atomic<int> inside{2};
  const auto leave = [&] {
    if (inside.fetch_sub(1) == 1) owner.reset();
  };
  model::threads(
      [&] {
        static_cast<void>(wait(pipe.send({}, 1)));
        leave();
      },
      [&] {
        static_cast<void>(wait(pipe.recv({})));
        leave();
      });
}

WEIR_MODEL(try_forms_race_with_waiting_ones) {
  channel<int> pipe{1};
  int received = 0;
  int sent = 0;
  model::threads(
      [&] {
        for (int i = 0; i < 2; ++i) sent += pipe.try_send(1).has_value() ? 1 : 0;
        pipe.close();
      },
      [&] {
        while (wait(pipe.recv({}))) ++received;
      },
      [&] { received += pipe.try_recv().has_value() ? 1 : 0; });
  model::check(sent == received, "as many were received as were sent");
}

}  // namespace
