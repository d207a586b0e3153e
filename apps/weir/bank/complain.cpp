#include "complain.hpp"

#include <cstdio>

namespace weir::bank {

void complain(std::string_view sentence) {
  std::fflush(stdout);
  // One line, however long: messages are searched for.
  std::fprintf(stderr, "weir bank: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
}

std::string_view root_of(const error& why) {
  const error* root = &why;
  while (root->cause() != nullptr) root = root->cause();
  return root->message();
}

}  // namespace weir::bank
