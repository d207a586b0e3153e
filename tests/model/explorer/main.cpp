#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "explorer/runner.hpp"

namespace {

using namespace weir::model;

constexpr const char* usage =
    "usage: model_tests [FILTER...] [--bound N] [--deep] [--seed N] [--list]\n"
    "       model_tests --replay MODEL:SCHEDULE\n\n"
    "  FILTER     run the models whose name contains one of them\n"
    "  --bound N  every schedule with at most N preemptions (default 2)\n"
    "  --deep     bound 3, cut at a million schedules per model and bound, and ten million\n"
    "             PCT and random schedules in all\n"
    "  --seed N   of the PCT and random schedules (default 1)\n";

struct request {
  settings how;
  std::vector<std::string_view> filters;
  std::string_view schedule;
  bool list = false;
  bool deep = false;
  bool ok = true;
};

template <class T>
bool read(const char* text, T& into) {
  const char* end = text + std::strlen(text);
  return std::from_chars(text, end, into).ptr == end && *text != '\0';
}

request parse(int argc, char** argv) {
  request asked;
  for (int i = 1; i < argc && asked.ok; ++i) {
    const std::string_view word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--list") {
      asked.list = true;
    } else if (word == "--deep") {
      asked.deep = true;
    } else if (word == "--bound") {
      asked.ok = read(value, asked.how.bound);
      ++i;
    } else if (word == "--seed") {
      asked.ok = read(value, asked.how.seed);
      ++i;
    } else if (word == "--replay") {
      asked.schedule = value;
      asked.ok = !asked.schedule.empty();
      ++i;
    } else if (word.starts_with("-")) {
      asked.ok = false;
    } else {
      asked.filters.push_back(word);
    }
  }
  return asked;
}

bool wanted(const entry& model, const request& asked) {
  if (asked.filters.empty()) return true;
  return std::any_of(asked.filters.begin(), asked.filters.end(), [&](std::string_view filter) {
    return model.name.find(filter) != std::string::npos;
  });
}

void print_verdict(const verdict& why) {
  std::printf("    %s\n", why.sentence.c_str());
  if (why.thread >= 0) {
    std::printf("    in T%d at %s:%u\n", why.thread, file_name(why.file), why.line);
  }
}

void print_failure(const entry& model, const outcome& found) {
  std::printf("FAILED %s: found by %s, bound %d, seed %llu, execution %llu\n", model.name.c_str(),
              found.found_by, found.bound, static_cast<unsigned long long>(found.seed),
              static_cast<unsigned long long>(found.executions));
  if (found.schedule.empty()) {
    print_verdict(found.why);
    return;
  }
  verdict again;
  replay(model, found.schedule, found.bound, again);
  print_verdict(again);
  // Objects are numbered as they are touched, so the sentence may name them differently.
  if (!again.failed || again.line != found.why.line) {
    std::printf("    the replay ended otherwise; the search saw:\n");
    print_verdict(found.why);
  }
  std::printf("    replay: model_tests --replay %s:%s\n", model.name.c_str(),
              found.schedule.c_str());
}

/// True if the model did what it should: passed, or failed as its planted bug must.
bool judge(const entry& model, const outcome& found) {
  const auto executions = static_cast<unsigned long long>(found.executions);
  if (model.finds != nullptr) {
    if (found.failed && found.why.sentence.find(model.finds) != std::string::npos) {
      std::printf("%-68s found in execution %llu, bound %d: %.60s\n", model.name.c_str(),
                  executions, found.bound, found.why.sentence.c_str());
      return true;
    }
    if (!found.failed) {
      std::printf("FAILED %s: the planted bug was not found in %llu executions\n",
                  model.name.c_str(), executions);
      return false;
    }
    std::printf("FAILED %s: another bug than the planted one (%s)\n", model.name.c_str(),
                model.finds);
  }
  if (found.failed) {
    print_failure(model, found);
    return false;
  }
  std::printf("%-68s bound %d%s %9llu executions, %4u points, %6.2f s\n", model.name.c_str(),
              found.bound, found.cut ? " (cut)" : "", executions, found.points, found.seconds);
  return true;
}

int replay_one(const request& asked) {
  const auto colon = asked.schedule.rfind(':');
  for (const entry& model : registry()) {
    if (colon == std::string_view::npos || model.name != asked.schedule.substr(0, colon)) continue;
    verdict why;
    if (!replay(model, std::string(asked.schedule.substr(colon + 1)), asked.how.bound, why)) break;
    if (!why.failed) std::puts("    this schedule passes");
    if (why.failed) print_verdict(why);
    return why.failed ? 1 : 0;
  }
  std::fputs("model_tests: there is no such model, or the schedule is not one\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  request asked = parse(argc, argv);
  if (!asked.ok) {
    std::fputs(usage, stderr);
    return 2;
  }
  install_crash_handlers();
  if (!asked.schedule.empty()) return replay_one(asked);

  std::vector<const entry*> chosen;
  for (const entry& model : registry()) {
    if (wanted(model, asked)) chosen.push_back(&model);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const entry* a, const entry* b) { return a->name < b->name; });
  if (asked.deep && !chosen.empty()) {
    asked.how.bound = 3;
    asked.how.pct = 10'000'000 / chosen.size() + 1;
    asked.how.most = 1'000'000;
    asked.how.may_cut = true;
  }

  unsigned passed = 0;
  unsigned failed = 0;
  std::uint64_t executions = 0;
  double seconds = 0;
  for (const entry* model : chosen) {
    if (asked.list) {
      std::puts(model->name.c_str());
      continue;
    }
    const outcome found = explore(*model, asked.how);
    ++(judge(*model, found) ? passed : failed);
    executions += found.executions;
    seconds += found.seconds;
    std::fflush(stdout);
  }
  if (asked.list) return 0;
  std::printf("models: %u passed, %u failed, %llu executions, %.1f s (%.0f executions a second)\n",
              passed, failed, static_cast<unsigned long long>(executions), seconds,
              seconds > 0 ? static_cast<double>(executions) / seconds : 0);
  std::printf("%u passed, %u failed\n", passed, failed);
  if (chosen.empty()) std::fputs("model_tests: no model has such a name\n", stderr);
  return failed == 0 && !chosen.empty() ? 0 : 1;
}
