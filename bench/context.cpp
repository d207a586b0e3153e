// Contexts: a child made and cancelled under a live parent; a parent cancelled with 1,000 children.
#include <memory>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

constexpr std::size_t children = 1000;

void child(const std::string& row) {
  const weir::context_source parent;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 weir::context_scope scope{parent.get()};
                 scope.cancel();
                 peer::keep(scope);
               }
             }));
}

/// Only the cancellation is timed: making the children is not part of the claim.
void cancel(const std::string& row) {
  std::vector<double> ns;
  for (int round = 0; round < 301; ++round) {
    weir::context_source parent;
    std::vector<std::unique_ptr<weir::context_source>> below;
    below.reserve(children);
    for (std::size_t i = 0; i < children; ++i) {
      below.push_back(std::make_unique<weir::context_source>(parent.get()));
    }
    const auto begin = peer::clock::now();
    parent.cancel();
    ns.push_back(peer::seconds_since(begin) * 1e9 / static_cast<double>(children));
    if (!below.back()->get().cancelled()) std::abort();
  }
  peer::emit(row, "ns", peer::median(ns));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, weir::version_string,
                   {{"context.child", child}, {"context.cancel", cancel}});
}
