#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::sql {

/// The names of a result's columns. Copies share them: they are the same in every answer to a
/// statement.
class column_names {
 public:
  using list = std::vector<std::string>;

  column_names() noexcept = default;
  column_names(list names) : names_(std::make_shared<const list>(std::move(names))) {}
  column_names(std::shared_ptr<const list> names) noexcept : names_(std::move(names)) {}

  operator std::span<const std::string>() const noexcept {
    return names_ != nullptr ? std::span<const std::string>{*names_}
                             : std::span<const std::string>{};
  }

 private:
  std::shared_ptr<const list> names_;
};

}  // namespace weir::sql
