#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/core/error.hpp>
#include <weir/sql/bind.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/row.hpp>
#include <weir/sql/value.hpp>

namespace weir::core {
class script_job;
}

namespace weir::sql {

/// How a script reaches its COMMIT.
enum class commit_mode : std::uint8_t {
  alone,    ///< in a transaction of its own
  grouped,  ///< together with the scripts that other callers have waiting: one COMMIT for all
};

/// When a transaction's locks go, and others see what it did. Its caller hears of it when it is on
/// the disk, either way.
enum class lock_release : std::uint8_t {
  durable,  ///< when it is on the disk
  early,    ///< before, by what the disk takes; `durable` where the database cannot do it
};

/// What may be done when nobody knows whether a script was committed.
enum class unknown_commit : std::uint8_t {
  report,  ///< the caller is told: errc::commit_unknown
  repeat,  ///< it is idempotent, doing it twice is as good as once: it is run again
};

/// How a script runs.
struct run_options {
  tx_options tx = {};  ///< scripts of different tx_options never share a group
  commit_mode commit = commit_mode::alone;
  lock_release release = lock_release::durable;
  unknown_commit on_unknown = unknown_commit::report;
};
static_assert(std::is_trivially_destructible_v<run_options>);

/// Bounds of a database's groups.
struct group_limits {
  std::size_t scripts = 128;                      ///< most that share one COMMIT
  std::size_t waiting = 4'096;                    ///< most that wait; then errc::throttled
  std::size_t waiting_bytes = 8 * 1'024 * 1'024;  ///< of their statements and parameters; then too
};
static_assert(std::is_trivially_destructible_v<group_limits>);

/// Problem: a transaction of seven statements costs seven round trips, though none of them looks at
/// what the others gave.
///
/// A list of statements with their parameters, to be run as one transaction: all or nothing. No
/// statement can use what an earlier one gave; what can is a subquery, or `with_tx`.
///
/// Guarantees: `add` copies the parameters; the text of a literal is referred to. A parameter that
/// cannot be bound is told when the script runs. Thread safety: one owner; copies are independent.
/// Cost: two growing arrays for the whole list, and one string per text longer than 15 characters;
/// `clear` keeps the arrays.
///
///     weir::sql::script s;
///     s.add("UPDATE accounts SET v = v - ? WHERE id = ?", 5, from);
///     s.add("UPDATE accounts SET v = v + ? WHERE id = ?", 5, to);
///     auto done = co_await db.run(ctx, s);
class script {
 public:
  script() noexcept = default;

  /// Adds a statement. Gives its number, counted from 0.
  template <parameter... P>
  std::size_t add(statement_text text, P&&... parameters) {
    const std::size_t first = begin_step(std::move(text), sizeof...(P));
    (all_.add(std::forward<P>(parameters)), ...);
    return end_step(first);
  }

  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }
  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }
  /// What its statements and parameters take, about.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

  /// Empties it for other statements. Keeps its memory.
  void clear() noexcept;

 private:
  friend class core::script_job;

  struct step {
    statement_text text;
    std::size_t first;  // of its parameters
    std::size_t count;
    bool named;  // some are by name
  };

  std::size_t begin_step(statement_text text, std::size_t parameters);
  std::size_t end_step(std::size_t first);

  std::vector<step> steps_;
  arguments all_;                      // of all steps, one after another
  std::optional<std::size_t> failed_;  // the first step with a parameter that cannot be bound
  std::size_t bytes_ = 0;
};

/// What a script's statements gave.
///
/// Rows are in memory, all of them. Statements that give none have only `at`. Errors of `row` and
/// `all`: as of `sql::row`; not_found if the statement gave no row. Thread safety: reading, from
/// anywhere.
class script_result {
 public:
  script_result() noexcept = default;

  /// How many statements ran: all.
  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }

  /// Rows affected; for a statement that gives rows, and changes something, their number.
  [[nodiscard]] const exec_result& at(std::size_t step) const { return steps_.at(step).done; }

  /// How many rows a statement gave.
  [[nodiscard]] std::size_t rows(std::size_t step) const { return steps_.at(step).rows.rows(); }

  /// One of them, borrowed from this object. Requires: n < rows(step) (asserted).
  [[nodiscard]] sql::row row_at(std::size_t step, std::size_t n) const;

  /// The first row of a statement as T, or std::tuple<T...>.
  template <class... T>
    requires readable<T...>
  [[nodiscard]] result<row_of<T...>> row(std::size_t step) const {
    if (rows(step) == 0) return fail(errc::not_found, "the statement gave no row");
    return row_at(step, 0).as<T...>();
  }

  /// All rows of a statement.
  template <class... T>
    requires readable<T...>
  [[nodiscard]] result<std::vector<row_of<T...>>> all(std::size_t step) const {
    std::vector<row_of<T...>> found;
    found.reserve(rows(step));
    for (std::size_t i = 0; i < rows(step); ++i) {
      auto one = row_at(step, i).as<T...>();
      if (!one) return std::unexpected(std::move(one).error());
      found.push_back(*std::move(one));
    }
    return found;
  }

 private:
  friend class core::script_job;

  struct step {
    exec_result done;
    std::vector<std::string> names;
    row_buffer rows;
  };
  std::vector<step> steps_;
};

}  // namespace weir::sql
