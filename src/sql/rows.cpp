#include <weir/core/assert.hpp>
#include <weir/sql/rows.hpp>

#include "sql/session.hpp"

namespace weir::sql {

rows::rows(std::shared_ptr<core::sql_stream> stream) noexcept : stream_(std::move(stream)) {}
rows::rows(rows&& other) noexcept = default;

rows& rows::operator=(rows&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}

rows::~rows() {
  if (stream_ != nullptr && stream_->reading) stream_->session->abandon(stream_.get());
}

task<bool> rows::next() {
  WEIR_ASSERT(stream_ != nullptr, "rows were used after they were moved from");
  const auto stream = stream_;
  if (stream->at < stream->batch.rows()) {
    ++stream->at;
    co_return true;
  }
  stream->at = 0;
  stream->batch.start(stream->columns.size());
  if (!stream->reading) co_return false;
  auto more = co_await stream->session->fetch(stream.get());
  if (!more) {
    stream->failed = std::move(more.error());
    co_await stream->session->stop(stream.get());  // if the error was not the statement's own
  }
  if (!stream->reading && stream->owns_session) stream->session->release();
  if (stream->batch.rows() == 0 || stream->failed) co_return false;
  stream->at = 1;
  co_return true;
}

row rows::current() const noexcept {
  WEIR_ASSERT(stream_ != nullptr && stream_->at != 0,
              "a row was asked for before next() gave true, or after it gave false");
  return {stream_->batch, stream_->columns, stream_->at - 1};
}

std::span<const std::string> rows::columns() const noexcept {
  return stream_->columns;
}

result<void> rows::finish() const {
  const std::optional<error>& failed = stream_->failed;
  if (failed) return std::unexpected(*failed);
  return {};
}

task<void> rows::close() {
  const auto stream = stream_;
  stream->at = 0;
  stream->batch.start(stream->columns.size());
  co_await stream->session->stop(stream.get());
}

}  // namespace weir::sql

namespace weir::core {

task<result<sql::rows>> owning_rows(task<result<sql::rows>> asked) {
  auto found = co_await std::move(asked);
  if (found) {
    sql_stream& stream = *found->stream_;
    stream.owns_session = true;
    if (!stream.reading) stream.session->release();
  }
  co_return found;
}

}  // namespace weir::core
