#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "explorer/execution.hpp"

namespace weir::model {

bool tracing = false;

namespace {

struct named {
  const void* object;
  const char* noun;
  unsigned number;
};

constexpr unsigned max_names = 512;
named names[max_names];
unsigned names_used = 0;

const char* noun_of(op what) noexcept {
  switch (what) {
    case op::load:
    case op::store:
    case op::exchange:
    case op::compare_exchange:
    case op::fetch:
      return "atomic";
    case op::lock:
    case op::try_lock:
    case op::unlock:
      return "mutex";
    case op::wait:
    case op::try_wait:
    case op::wake:
      return "park";
    case op::futex_wait:
    case op::futex_wake:
      return "futex";
    default:
      return "";
  }
}

}  // namespace

const char* name_of(op what) noexcept {
  static constexpr const char* texts[] = {
      "load",       "store",      "exchange", "compare_exchange",
      "fetch",      "lock",       "try_lock", "unlock",
      "wait",       "try_wait",   "wake",     "clock",
      "advance",    "start",      "join",     "relax",
      "futex_wait", "futex_wake", "run"};
  return texts[static_cast<unsigned>(what)];
}

const char* name_of(op what, const void* object) noexcept {
  static char text[8][48];
  static unsigned next = 0;
  const char* noun = noun_of(what);
  if (*noun == '\0' || object == nullptr) return "";
  unsigned same = 0;
  const named* found = nullptr;
  for (unsigned i = 0; i < names_used && found == nullptr; ++i) {
    if (std::strcmp(names[i].noun, noun) != 0) continue;
    ++same;
    if (names[i].object == object) found = &names[i];
  }
  if (found == nullptr) {
    if (names_used == max_names) return noun;
    names[names_used] = {object, noun, same + 1};
    found = &names[names_used++];
  }
  char* out = text[next++ % 8];
  std::snprintf(out, sizeof text[0], "%s#%u", noun, found->number);
  return out;
}

void forget_names() noexcept {
  names_used = 0;
}

const char* file_name(const char* path) noexcept {
  const char* slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

void trace(op what, const void* object, const char* detail, std::uint64_t value,
           std::source_location where) noexcept {
  if (!execution::current.active()) return;
  char text[160];
  const char* object_name = name_of(what, object);
  int used = std::snprintf(text, sizeof text, "%s%s%s", object_name,
                           *object_name == '\0' ? "" : ".", name_of(what));
  if (detail != nullptr && *detail != '\0') {
    used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), " %s", detail);
  } else if (*object_name != '\0') {
    const char* format = value > 0xFFFFFFFF ? " = %#llx" : " = %llu";
    used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), format,
                          static_cast<unsigned long long>(value));
  }
  std::printf("    %5u  T%u  %-44s %s:%u\n", execution::current.steps(),
              execution::current.thread(), text, file_name(where.file_name()),
              static_cast<unsigned>(where.line()));
}

void step(op what, const void* object, std::source_location where) noexcept {
  execution::current.step(what, object, where);
}

bool weak_failure() noexcept {
  return execution::current.weak_failure();
}

void fail(const char* sentence, std::source_location where) noexcept {
  execution::current.fail(sentence, where);
}

void life::touched_the_dead(op what, const void* object,
                            std::source_location where) const noexcept {
  if (!execution::current.active()) std::abort();  // a static that died: no model to blame
  const bool poisoned = word_ == 0xDDDDDDDD;
  const char* how = word_ == dead ? "destroyed" : poisoned ? "freed" : "overwritten";
  char text[160];
  std::snprintf(text, sizeof text, "%s touched %s, which was %s", name_of(what),
                name_of(what, object), how);
  execution::current.fail(text, where);
}

}  // namespace weir::model
