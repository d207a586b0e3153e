#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <weir/pool/core.hpp>
#include <weir/pool/source.hpp>
#include <weir/runtime/start.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir {

template <class R>
class pool;

/// A resource that is yours until this object ends.
///
/// Thread safety: one owner; movable. Returning is a short lock, and hands the resource to the
/// first waiter. Requires: destroyed before the runtime; the pool itself may go first.
template <class R>
class [[nodiscard]] lease {
 public:
  lease() noexcept = default;
  lease(lease&& other) noexcept : pool_(other.pool_), slot_(std::exchange(other.slot_, nullptr)) {}
  lease& operator=(lease&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = other.pool_;
      slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
  }
  ~lease() { release(); }

  [[nodiscard]] bool valid() const noexcept { return slot_ != nullptr; }
  R& operator*() const noexcept { return resource(); }
  R* operator->() const noexcept { return &resource(); }

  /// Returns it to the pool now.
  void release() noexcept {
    if (slot_ == nullptr) return;
    static_cast<typename pool<R>::typed_core*>(pool_)->take_back(*std::exchange(slot_, nullptr));
  }

  /// Closes it instead: it is broken, or in a state that nobody should inherit.
  void discard() noexcept {
    if (slot_ != nullptr) pool_->discard(*std::exchange(slot_, nullptr));
  }

  /// Takes it out of the pool, which opens another when it needs one.
  [[nodiscard]] R detach() {
    WEIR_ASSERT(slot_ != nullptr, "detached a lease that is empty");
    auto* slot = std::exchange(slot_, nullptr);
    R resource = std::move(static_cast<typename pool<R>::slot*>(slot)->resource);
    pool_->detach(*slot);
    return resource;
  }

 private:
  friend class pool<R>;
  template <class>
  friend class lease_operation;

  lease(core::pool_core& pool, core::pool_slot& slot) noexcept : pool_(&pool), slot_(&slot) {}
  R& resource() const noexcept {
    WEIR_ASSERT(slot_ != nullptr, "used a lease that is empty: it was moved from or returned");
    return static_cast<typename pool<R>::slot*>(slot_)->resource;
  }

  core::pool_core* pool_ = nullptr;
  core::pool_slot* slot_ = nullptr;
};

/// A wait for a resource. Its errors carry the pool's figures.
template <class R>
class [[nodiscard]] lease_operation : public core::acquire_base {
 public:
  using value_type = lease<R>;
  using core::acquire_base::acquire_base;

  result<lease<R>> take() {
    if (!served()) return std::unexpected(refused());
    return lease<R>{pool(), take_slot()};
  }
};

/// Problem: some things are expensive to open and limited in number, and many want one at a time.
///
/// A bounded set of open resources, lent to whoever asks, strictly first come first served, to
/// threads and coroutines in one queue. A resource that comes home goes straight to the first
/// waiter; without waiters the newest idle one is lent first, so that few stay warm.
///
/// Requires: `max_open` ≥ 1 (asserted). The stopper outlives the pool.
/// Guarantees: never more than `max_open` open. Opening happens in the pool's own tasks, never on a
/// caller's path, and is not stopped when a caller gives up. A failed open is told to the first
/// waiter, and the others get further attempts: none is ever orphaned. A lease that comes home
/// after the pool has closed closes its resource. Blocks or suspends: `acquire`, bounded by the
/// caller's context and by `acquire_timeout`. Errors: closed; throttled (queue full);
/// deadline_exceeded and cancelled with the pool's figures; whatever opening failed with. Closing:
/// with the stopper, after its tasks, or by `close`: refuse, fail the waiters, close what is idle,
/// wait for leases. Thread safety: all members. Cost: 13 ns for acquire and release together while
/// nobody waits and a thread gets back what it returned, else a short lock each.
/// Source: Go's database/sql, with the order of the queue kept; HikariCP for opening beside
/// callers.
///
///     weir::pool<connection> pool{stopper, {.name = "db", .max_open = 8}, std::move(source)};
///     auto conn = co_await pool.acquire(ctx);
template <class R>
class pool {
  static_assert(std::is_nothrow_move_constructible_v<R>,
                "a pooled resource must be nothrow movable: the pool never loses one half way");

 public:
  /// A pool that closes with its stopper, after the stopper's tasks.
  pool(stopper& owner, const pool_options& options, std::unique_ptr<pool_source<R>> source)
      : core_(std::make_shared<typed_core>(core::pool_home(owner), options, std::move(source))),
        closer_(core::close_pool_with(owner, core_)) {
    core_->start();
  }
  /// A pool on any executor, which its owner closes.
  pool(core::executor& where, const pool_options& options, std::unique_ptr<pool_source<R>> source)
      : core_(std::make_shared<typed_core>(core::pool_core::home{.where = where}, options,
                                           std::move(source))) {
    core_->start();
  }
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;
  /// Closes as `begin_close`; leases that are out come home by themselves. The stopper's tasks are
  /// not over before the last resource is closed.
  ~pool() { core_->leave(closer_); }

  /// Waits for a resource.
  lease_operation<R> acquire(const context& ctx,
                             std::source_location site = std::source_location::current()) {
    return {*core_, ctx, {}, site};
  }
  lease_operation<R> acquire(const context& ctx, acquire_options how,
                             std::source_location site = std::source_location::current()) {
    return {*core_, ctx, how, site};
  }

  /// A resource if one is idle now and nobody waits. Never waits, never opens.
  [[nodiscard]] std::optional<lease<R>> try_acquire(
      std::source_location site = std::source_location::current()) noexcept {
    core::pool_slot* slot = core_->try_acquire();
    if (slot == nullptr) return std::nullopt;
    core_->lent(*slot, site, {});
    return lease<R>{*core_, *slot};
  }

  [[nodiscard]] pool_stats stats() const noexcept { return core_->stats(); }
  /// How long waits, loans and opens took. Copies a kilobyte under the pool's lock.
  [[nodiscard]] pool_times times() const noexcept { return core_->times(); }

  /// Changes the limits. Lowering closes surplus idle resources now and busy ones on return.
  void set_max_open(std::size_t max_open) noexcept { core_->set_max_open(max_open); }
  void set_max_idle(std::size_t max_idle) noexcept { core_->set_max_idle(max_idle); }

  /// Retires all that are open or on their way now: what is idle at once, what is lent when it
  /// comes home. For failovers and new passwords. The pool stays open.
  void flush() noexcept { core_->flush(); }

  /// Lends nothing until `resume`: callers queue. What is lent stays so; `stats().in_use` says when
  /// all is home.
  void pause() noexcept { core_->pause(); }
  void resume() noexcept { core_->resume(); }

  /// Refuses new work from now on, without waiting.
  void begin_close() noexcept { core_->begin_close(); }

  /// Closes, and waits until every lease is home and every resource closed, not longer than `ctx`;
  /// the error then says how many are out, who holds them, and for how long at least. They close
  /// what they hold when they end.
  task<result<void>> close(context ctx) { return core_->close(std::move(ctx)); }

 private:
  friend class lease<R>;

  struct slot final : core::pool_slot {
    explicit slot(R opened) noexcept : resource(std::move(opened)) {}
    R resource;
  };

  class typed_core final : public core::pool_core {
   public:
    typed_core(const home& at, const pool_options& options, std::unique_ptr<pool_source<R>> source)
        : core::pool_core(at, options), source_(std::move(source)) {}

    /// The end of a lease, with its holder's own last look at the resource.
    void take_back(core::pool_slot& s) noexcept {
      R& resource = typed(s).resource;
      if (!source_->usable(resource)) return this->discard(s);
      this->release(s, source_->needs_reset(resource) ? then::reset : then::ready);
    }

   private:
    [[nodiscard]] std::shared_ptr<typed_core> self() {
      return std::static_pointer_cast<typed_core>(shared_from_this());
    }
    static slot& typed(core::pool_slot& s) noexcept { return static_cast<slot&>(s); }

    void start_open() noexcept override {
      core::start_pool_task(*this, [me = self()] { return me->open_one(me); });
    }
    void start_close(core::pool_slot& s) noexcept override {
      core::start_pool_task(*this, [me = self(), &s] { return me->close_one(me, typed(s)); });
    }
    void start_reset(core::pool_slot& s) noexcept override {
      core::start_pool_task(*this, [me = self(), &s] {
        return me->prepare_one(me, typed(s), &pool_source<R>::reset);
      });
    }
    void start_check(core::pool_slot& s) noexcept override {
      core::start_pool_task(*this, [me = self(), &s] {
        return me->prepare_one(me, typed(s), &pool_source<R>::validate);
      });
    }

    // The first parameter keeps the pool alive as long as the task.
    task<void> open_one(std::shared_ptr<typed_core>) {
      core::open_attempt attempt;
      this->open_begins(attempt);
      const context_source bound{this->ctx(), {.timeout = this->open_timeout()}};
      std::optional<error> failed;
      try {
        auto made = co_await source_->open(bound.get());
        if (made) {
          this->opened(attempt, *new slot{std::move(*made)});
          co_return;
        }
        failed = core::open_ended(bound.get(), std::move(made.error()));
      } catch (...) {
        failed = core::open_threw(std::current_exception());
      }
      this->open_failed(attempt, *failed);
    }
    task<void> close_one(std::shared_ptr<typed_core>, slot& s) {
      const std::unique_ptr<slot> owned{&s};
      try {
        co_await source_->close(std::move(owned->resource));
      } catch (...) {
        core::close_threw(*this, std::current_exception());
      }
      this->closed(this->cause_of(s));
    }
    task<void> prepare_one(std::shared_ptr<typed_core>, slot& s,
                           task<bool> (pool_source<R>::*prepare)(R&, context)) {
      bool good = false;
      try {
        good = co_await (*source_.*prepare)(s.resource, this->ctx());
      } catch (...) {
        good = false;
      }
      this->made_ready(s, good);
    }

    std::unique_ptr<pool_source<R>> source_;
  };

  std::shared_ptr<typed_core> core_;
  registration closer_;
};

}  // namespace weir
