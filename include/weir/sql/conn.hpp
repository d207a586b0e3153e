#pragma once

#include <concepts>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/sql/transactions.hpp>

namespace weir::sql {

/// One connection, kept from `db.connect` until it is released: for session state (temporary
/// tables, PRAGMAs) and for the driver's own handle.
///
/// Guarantees: what it was in the middle of (rows, a transaction) is ended before another caller
/// gets the connection, or the connection is closed. It is never replaced by another one in secret:
/// a broken connection gives errors. Thread safety: one owner, movable; one call at a time
/// (asserted).
class [[nodiscard]] conn final : public transactions {
 public:
  conn(conn&& other) noexcept;
  conn& operator=(conn&& other) noexcept;
  ~conn();

  task<result<void>> ping(context ctx);

  /// Calls `fn(handle)` with the driver's handle (`sqlite3*` as void*), on the connection's thread.
  /// If `fn` throws, the connection is closed, since nobody knows what was done to it, and the
  /// exception goes on.
  template <std::invocable<void*> F>
  task<result<void>> with_native(F fn) {
    native_call<F> erased{std::move(fn)};
    co_return co_await do_with_native(&native_call<F>::call, &erased);
  }

  /// Gives it back now. Statements and transactions begun on it must have ended.
  void release() noexcept;
  /// Closes it instead of giving it back.
  void discard() noexcept;

 private:
  friend class db;

  template <class F>
  struct native_call {
    explicit native_call(F given) : fn(std::move(given)) {}
    static void call(void* self, void* handle) { static_cast<native_call*>(self)->fn(handle); }
    F fn;
  };

  explicit conn(std::shared_ptr<core::sql_session> session) noexcept;

  task<result<exec_result>> do_exec(context ctx, statement_text text, arguments a) override;
  task<result<rows>> do_query(context ctx, statement_text text, arguments a) override;
  task<result<reply>> do_query_row(context ctx, statement_text text, arguments a) override;
  task<result<tx>> do_begin(context ctx, tx_options options, std::source_location site) override;
  task<result<void>> do_with_tx(context ctx, tx_options options, core::transaction_code* fn,
                                std::source_location site) override;
  task<result<void>> do_with_native(void (*fn)(void*, void*), void* argument);

  std::shared_ptr<core::sql_session> session_;
};

}  // namespace weir::sql
