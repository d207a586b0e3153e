#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/queries.hpp>
#include <weir/sql/tx.hpp>
#include <weir/stopper/run.hpp>

namespace weir::core {

/// The closure of `with_tx` with its type erased; it keeps its value for itself.
class transaction_code {
 public:
  virtual task<result<void>> run(sql::tx* t) = 0;

 protected:
  ~transaction_code() = default;
};

}  // namespace weir::core

namespace weir::sql {

template <class T>
inline constexpr bool is_result_task = false;
template <class T>
inline constexpr bool is_result_task<task<result<T>>> = true;

/// A callable that does the work of a transaction: `task<result<T>>(sql::tx&)`.
template <class F>
concept transaction_body = std::invocable<F&, tx&> && is_result_task<std::invoke_result_t<F&, tx&>>;

/// What `db` and `conn` add to `queries`: transactions.
class transactions : public queries {
 public:
  /// Begins a transaction that ends at the latest with the returned object.
  task<result<tx>> begin(context ctx, tx_options options = {},
                         std::source_location site = std::source_location::current()) {
    return do_begin(std::move(ctx), options, site);
  }

  /// Runs `fn(tx)` in a transaction: commits if it gives a value, rolls back if it gives an error
  /// or throws. The whole closure is run again, with backoff, when the transaction lost against
  /// another one (conflict) or found a lock held (busy): it must not have effects outside of the
  /// database.
  ///
  /// `fn` runs on the connection's own thread if it has one (SQLite): two hops for all statements.
  /// Long computations there hold up whoever waits for the connection.
  /// Errors: fn's own; commit_unknown; conflict or busy after `max_retries`.
  ///
  ///     auto moved = [&](sql::tx& t) -> task<result<void>> { … };   // g++ 12: name what owns
  ///     auto done = co_await db.with_tx(ctx, moved);
  template <class F>
    requires transaction_body<std::remove_reference_t<F>>
  auto with_tx(context ctx, F&& fn, std::source_location site = std::source_location::current()) {
    return with_tx(std::move(ctx), tx_options{}, std::forward<F>(fn), site);
  }
  template <class F>
    requires transaction_body<std::remove_reference_t<F>>
  auto with_tx(context ctx, tx_options options, F&& fn,
               std::source_location site = std::source_location::current()) {
    static_assert(core::survives_co_await<F>,
                  "g++ 12 destroys this temporary closure twice: name the lambda first");
    using value = typename std::invoke_result_t<std::remove_reference_t<F>&, tx&>::value_type;
    if constexpr (std::is_lvalue_reference_v<F>) {
      return whole<value>(this, std::move(ctx), options, std::addressof(fn), site);
    } else {
      return whole_owned<value, F>(this, std::move(ctx), options, std::forward<F>(fn), site);
    }
  }

 protected:
  transactions() noexcept = default;
  transactions(const transactions&) noexcept = default;
  transactions& operator=(const transactions&) noexcept = default;
  ~transactions() = default;

  virtual task<result<tx>> do_begin(context ctx, tx_options options, std::source_location site) = 0;
  virtual task<result<void>> do_with_tx(context ctx, tx_options options, core::transaction_code* fn,
                                        std::source_location site) = 0;

 private:
  template <class R, class F>
  class typed_body final : public core::transaction_code {
   public:
    explicit typed_body(F* fn) noexcept : fn_(fn) {}
    task<result<void>> run(tx* t) override {
      value_.reset();
      value_.emplace(co_await (*fn_)(*t));
      if (!*value_) co_return std::unexpected(value_->error());
      co_return result<void>{};
    }
    R take() {
      WEIR_ASSERT(value_.has_value(), "a transaction was committed whose closure never ran");
      return *std::move(value_);
    }

   private:
    F* fn_;
    std::optional<R> value_;
  };

  template <class R, class F>
  static task<R> whole(transactions* self, context ctx, tx_options options, F* fn,
                       std::source_location site) {
    typed_body<R, F> erased{fn};
    auto done = co_await self->do_with_tx(std::move(ctx), options, &erased, site);
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return erased.take();
  }
  template <class R, class F>
  static task<R> whole_owned(transactions* self, context ctx, tx_options options, F fn,
                             std::source_location site) {
    typed_body<R, F> erased{&fn};
    auto done = co_await self->do_with_tx(std::move(ctx), options, &erased, site);
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return erased.take();
  }
};

}  // namespace weir::sql
