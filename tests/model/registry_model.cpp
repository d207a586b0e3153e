// The list of what lives: reports against entries that come and go.

#include <memory>
#include <string>
#include <vector>

#include <weir/core/sync/atomic.hpp>
#include <weir/runtime/registry.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

struct entry final : registry_entry {
  [[nodiscard]] std::string_view kind() const noexcept override { return "entry"; }
  [[nodiscard]] std::string_view name() const noexcept override { return "e"; }
  [[nodiscard]] std::string describe() const override {
    alive.load();  // a point at which a report is inside
    return {};
  }
  core::atomic<bool> alive{true};
};

WEIR_MODEL(an_entry_may_go_while_a_report_is_made) {
  registry live;
  std::size_t seen = 9;
  model::threads(
      [&] {
        auto first = std::make_unique<entry>();
        auto second = std::make_unique<entry>();
        live.add(*first);
        live.add(*second);
        live.remove(*first);
        first.reset();
        live.remove(*second);
      },
      [&] {
        seen = live.snapshot().size();
        static_cast<void>(live.snapshot());
      });
  model::check(live.empty(), "all have gone");
  model::sometimes(seen == 0, "the report came too early or too late");
  model::sometimes(seen == 2, "the report told of both");
}

WEIR_MODEL(two_reports_look_at_one_entry) {
  registry live;
  auto only = std::make_unique<entry>();
  live.add(*only);
  const auto report = [&] {
    for (int i = 0; i < 2; ++i) {
      model::check(live.snapshot().size() <= 1, "it is told of once");
    }
  };
  model::threads(report, report, [&] {
    live.remove(*only);
    only.reset();
  });
}

}  // namespace
