#pragma once

#include <string_view>

#include <weir/core/error.hpp>

namespace weir::bank {

/// Says on standard error what is wrong and what to do about it.
void complain(std::string_view sentence);

/// The message that a person can do something about: that of the first error of the chain.
std::string_view root_of(const error& why);

}  // namespace weir::bank
