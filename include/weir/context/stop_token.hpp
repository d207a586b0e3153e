#pragma once

#include <stop_token>

#include <weir/context/context.hpp>

namespace weir {

/// Both ways between contexts and `std::stop_token`, for code that speaks the other language. Each
/// direction allocates: libstdc++'s stop state lives on the heap, and fires one system call per
/// callback, so keep these at the border of a program.

/// A stop source that is requested to stop when the context is cancelled.
/// The bridge lives as long as this object; tokens may outlive it and then never fire.
class context_stop_source {
 public:
  explicit context_stop_source(const context& ctx);
  context_stop_source(const context_stop_source&) = delete;
  context_stop_source& operator=(const context_stop_source&) = delete;
  ~context_stop_source();

  [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }

 private:
  struct bridge;

  std::stop_source source_;
  std::unique_ptr<bridge> bridge_;
};

/// A context that is cancelled when the token is told to stop.
class stop_token_context {
 public:
  explicit stop_token_context(std::stop_token token, const context& parent = {});
  stop_token_context(const stop_token_context&) = delete;
  stop_token_context& operator=(const stop_token_context&) = delete;
  ~stop_token_context();

  [[nodiscard]] const context& get() const noexcept { return source_.get(); }

 private:
  struct bridge;

  context_source source_;
  std::unique_ptr<bridge> bridge_;
};

}  // namespace weir
