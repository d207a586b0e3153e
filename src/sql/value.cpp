#include <weir/sql/row_buffer.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

statement_text::statement_text(std::string_view text, std::source_location site)
    : data_(nullptr), size_(text.size()), site_(site), owned_(true) {
  char* copy = new char[text.size() + 1];
  text.copy(copy, text.size());
  copy[text.size()] = '\0';
  data_ = copy;
}

statement_text::statement_text(const statement_text& other)
    : data_(other.data_), size_(other.size_), site_(other.site_) {
  if (other.owned_) *this = statement_text{other.view(), other.site_};
  idempotent_ = other.idempotent_;
}

std::string_view kind_of(const value_view& v) noexcept {
  static constexpr std::string_view names[] = {"NULL", "boolean", "integer", "real",
                                               "text", "bytes",   "time"};
  return names[v.index()];
}

value_view view(const value& v) noexcept {
  return std::visit([](const auto& held) { return value_view{held}; }, v);
}

void row_buffer::start(std::size_t columns) noexcept {
  cells_.clear();
  block_.clear();
  columns_ = columns;
  rows_ = 0;
}

void row_buffer::add(const value_view& v) {
  std::visit(
      [this]<class T>(const T& held) {
        if constexpr (std::is_same_v<T, null_t>) {
          add_null();
        } else {
          add(held);
        }
      },
      v);
}

void row_buffer::add_block(tag what, const void* data, std::size_t size) {
  cells_.push_back(
      {.what = what, .length = size, .number = static_cast<std::int64_t>(block_.size())});
  const char* from = static_cast<const char*>(data);
  block_.insert(block_.end(), from, from + size);
}

value_view row_buffer::at(std::size_t row, std::size_t column) const noexcept {
  const cell& c = cells_[row * columns_ + column];
  switch (c.what) {
    case tag::null:
      return null;
    case tag::boolean:
      return c.number != 0;
    case tag::integer:
      return c.number;
    case tag::real:
      return std::bit_cast<double>(c.number);
    case tag::text:
      return std::string_view{block_.data() + c.number, c.length};
    case tag::bytes:
      return bytes_view{reinterpret_cast<const std::byte*>(block_.data() + c.number), c.length};
    case tag::time:
      return wall_time{std::chrono::microseconds{c.number}};
  }
  return null;
}

}  // namespace weir::sql
