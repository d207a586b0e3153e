#include <cstdio>
#include <memory>
#include <variant>
#include <vector>

#include <weir/core/error.hpp>
#include <weir/core/sync/atomic.hpp>

namespace weir {
namespace {

struct field {
  const char* name;
  std::variant<std::int64_t, std::chrono::nanoseconds, std::string> value;
};

}  // namespace

struct error::details {
  core::atomic<std::uint32_t> owners{1};  // each error that points here; the last one frees
  std::string message;
  std::vector<field> fields;
  std::vector<error> cause;  // none or one: error is incomplete inside an optional here

  void set(literal name, decltype(field::value) value) {
    for (field& f : fields) {
      if (std::string_view{f.name} == std::string_view{name}) {
        f.value = std::move(value);
        return;
      }
    }
    fields.push_back({name.c_str(), std::move(value)});
  }

  [[nodiscard]] const field* find(std::string_view name) const noexcept {
    for (const field& f : fields) {
      if (name == f.name) return &f;
    }
    return nullptr;
  }
};

const char* name_of(errc code) noexcept {
  switch (code) {
    case errc::cancelled:
      return "cancelled";
    case errc::deadline_exceeded:
      return "deadline_exceeded";
    case errc::unavailable:
      return "unavailable";
    case errc::throttled:
      return "throttled";
    case errc::closed:
      return "closed";
    case errc::exhausted:
      return "exhausted";
    case errc::invalid_argument:
      return "invalid_argument";
    case errc::would_deadlock:
      return "would_deadlock";
    case errc::not_found:
      return "not_found";
    case errc::already_done:
      return "already_done";
    case errc::commit_unknown:
      return "commit_unknown";
    case errc::conflict:
      return "conflict";
    case errc::busy:
      return "busy";
    case errc::constraint:
      return "constraint";
    case errc::out_of_range:
      return "out_of_range";
    case errc::type_mismatch:
      return "type_mismatch";
    case errc::server_down:
      return "server_down";
    case errc::io:
      return "io";
    case errc::corrupt:
      return "corrupt";
    case errc::denied:
      return "denied";
    case errc::unsupported:
      return "unsupported";
    case errc::failed:
      return "failed";
  }
  return "unknown";
}

error::error(std::string message, errc code) : literal_(nullptr), code_(code) {
  more_ = new details;
  more_->message = std::move(message);
}

error::error(const error& other) noexcept
    : literal_(other.literal_), more_(other.more_), code_(other.code_) {
  // relaxed: `other` keeps the details alive meanwhile; release() orders the end of life.
  if (more_ != nullptr) more_->owners.fetch_add(1, std::memory_order_relaxed);
}

void error::release() noexcept {
  if (more_->owners.fetch_sub(1) == 1) delete more_;
}

std::string_view error::message() const noexcept {
  if (literal_ != nullptr) return literal_;
  return more_ != nullptr ? std::string_view{more_->message} : std::string_view{};
}

error::details& error::own() {
  if (more_ == nullptr) {
    more_ = new details;
  } else if (more_->owners.load() != 1) {
    auto copy = std::make_unique<details>();
    copy->message = more_->message;
    copy->fields = more_->fields;
    copy->cause = more_->cause;
    release();
    more_ = copy.release();
  }
  return *more_;
}

error error::with(literal name, std::int64_t value) && {
  own().set(name, value);
  return std::move(*this);
}

error error::with(literal name, std::chrono::nanoseconds value) && {
  own().set(name, value);
  return std::move(*this);
}

error error::with(literal name, std::string value) && {
  own().set(name, std::move(value));
  return std::move(*this);
}

error error::caused_by(error cause) && {
  details& mine = own();
  mine.cause.clear();
  mine.cause.push_back(std::move(cause));
  return std::move(*this);
}

std::optional<std::int64_t> error::number(std::string_view name) const noexcept {
  const field* f = more_ != nullptr ? more_->find(name) : nullptr;
  if (f == nullptr) return std::nullopt;
  if (const auto* n = std::get_if<std::int64_t>(&f->value)) return *n;
  if (const auto* d = std::get_if<std::chrono::nanoseconds>(&f->value)) return d->count();
  return std::nullopt;
}

std::optional<std::string_view> error::text(std::string_view name) const noexcept {
  const field* f = more_ != nullptr ? more_->find(name) : nullptr;
  if (f == nullptr) return std::nullopt;
  if (const auto* s = std::get_if<std::string>(&f->value)) return std::string_view{*s};
  return std::nullopt;
}

const error* error::cause() const noexcept {
  return more_ != nullptr && !more_->cause.empty() ? more_->cause.data() : nullptr;
}

std::string error::to_string() const {
  std::string out = name_of(code_);
  out += ": ";
  out += message();
  if (more_ != nullptr && !more_->fields.empty()) {
    const char* separator = " (";
    for (const field& f : more_->fields) {
      out += separator;
      out += f.name;
      out += ' ';
      if (const auto* n = std::get_if<std::int64_t>(&f.value)) out += std::to_string(*n);
      if (const auto* d = std::get_if<std::chrono::nanoseconds>(&f.value)) out += to_text(*d);
      if (const auto* s = std::get_if<std::string>(&f.value)) out += *s;
      separator = ", ";
    }
    out += ')';
  }
  if (const error* why = cause()) {
    out += "; caused by: ";
    out += why->to_string();
  }
  return out;
}

std::string to_text(std::chrono::nanoseconds value) {
  const bool negative = value.count() < 0;
  // The magnitude as unsigned: the most negative duration has no positive counterpart.
  const auto magnitude = negative ? 0ULL - static_cast<unsigned long long>(value.count())
                                  : static_cast<unsigned long long>(value.count());
  const auto ns = static_cast<double>(magnitude);
  char text[48];
  if (ns < 1e3) {
    std::snprintf(text, sizeof text, "%.0fns", ns);
  } else if (ns < 999.5e3) {
    std::snprintf(text, sizeof text, "%.3gus", ns / 1e3);
  } else if (ns < 999.5e6) {
    std::snprintf(text, sizeof text, "%.3gms", ns / 1e6);
  } else if (ns < 59.95e9) {
    std::snprintf(text, sizeof text, "%.3gs", ns / 1e9);
  } else {
    const unsigned long long seconds = (magnitude + 500'000'000ULL) / 1'000'000'000ULL;
    if (seconds < 3600) {
      std::snprintf(text, sizeof text, "%llum %llus", seconds / 60, seconds % 60);
    } else {
      std::snprintf(text, sizeof text, "%lluh %llum", seconds / 3600, seconds / 60 % 60);
    }
  }
  return negative ? std::string{"-"} + text : text;
}

}  // namespace weir
