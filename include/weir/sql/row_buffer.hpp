#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weir/sql/frame_allocator.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

/// Problem: a row is read on the connection's thread and used on another, and the driver's own
/// bytes change under it with the next step or a cancellation.
///
/// A batch of rows, copied once into one arena: cells are fixed, text and bytes are offsets. Its
/// memory is used again by the next batch, so that a long result allocates as much as a short one.
/// Thread safety: one owner.
class row_buffer {
 public:
  row_buffer() = default;

  /// Empties it for rows of `columns` values. Keeps its memory.
  void start(std::size_t columns) noexcept;
  /// Makes room for so many rows at once.
  void reserve(std::size_t rows) { cells_.reserve(rows * columns_); }

  // The driver adds the values of a row in order, and then ends it.
  void add_null() { cells_.push_back({}); }
  void add(bool v) { cells_.push_back({.what = tag::boolean, .number = v ? 1 : 0}); }
  void add(std::int64_t v) { cells_.push_back({.what = tag::integer, .number = v}); }
  void add(double v) {
    cells_.push_back({.what = tag::real, .number = std::bit_cast<std::int64_t>(v)});
  }
  void add(wall_time v) {
    cells_.push_back({.what = tag::time, .number = v.time_since_epoch().count()});
  }
  void add(std::string_view v) { add_block(tag::text, v.data(), v.size()); }
  void add(bytes_view v) { add_block(tag::bytes, v.data(), v.size()); }
  void add(const value_view& v);
  void end_row() noexcept { ++rows_; }

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return block_.size(); }

  /// Borrowed until the next `start` or `add`.
  [[nodiscard]] value_view at(std::size_t row, std::size_t column) const noexcept;

 private:
  enum class tag : std::uint8_t { null, boolean, integer, real, text, bytes, time };
  struct cell {
    tag what = tag::null;
    std::size_t length = 0;
    std::int64_t number = 0;  // the value, a real one's bits, or where it starts in the block
  };

  void add_block(tag what, const void* data, std::size_t size);

  std::vector<cell, core::frame_allocator<cell>> cells_;
  std::vector<char, core::frame_allocator<char>> block_;
  std::size_t columns_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace weir::sql
