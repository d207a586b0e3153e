// The smallest program of a user: it sees the headers, links the library, and both agree.

#include <cstring>

#include <weir/version.hpp>

int main() {
  return std::strcmp(weir::linked_version(), weir::version_string) == 0 ? 0 : 1;
}
