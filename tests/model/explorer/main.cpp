#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "explorer/processes.hpp"
#include "explorer/runner.hpp"

namespace {

using namespace weir::model;

constexpr const char* usage =
    "usage: model_tests [FILTER...] [--bound N] [--deep] [--seed N] [--jobs N] [--first] [--list]\n"
    "       model_tests --replay MODEL:SCHEDULE\n\n"
    "  FILTER     run the models whose name contains one of them\n"
    "  --bound N  every schedule with at most N preemptions (default 2)\n"
    "  --deep     bound 3 alone, cut at 300,000 schedules per model, and ten million\n"
    "             PCT and random schedules in all: each model's share is the same when it is\n"
    "             run alone\n"
    "  --seed N   of the PCT and random schedules (default 1)\n"
    "  --jobs N   models at a time (default: one per processor)\n"
    "  --first    end at the first failure\n";

struct request {
  settings how;
  std::vector<std::string_view> filters;
  std::string_view schedule;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  bool list = false;
  bool deep = false;
  bool first = false;
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
    } else if (word == "--first") {
      asked.first = true;
    } else if (word == "--jobs") {
      asked.ok = read(value, asked.jobs);
      ++i;
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

/// Ten million schedules in all, of which each model has the same share, whatever the filter.
void go_deep(settings& how) {
  const auto sampled = std::count_if(registry().begin(), registry().end(),
                                     [](const entry& model) { return model.within.pct != 0; });
  how.bound = 3;
  how.pct = 10'000'000 / static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(sampled, 1)) + 1;
  how.deepest_only = true;
  how.most = 300'000;
  how.may_cut = true;
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
  if (asked.list) {
    for (const entry* model : chosen) std::puts(model->name.c_str());
    return 0;
  }
  if (asked.deep) go_deep(asked.how);
  // The long ones first, or the last one would run alone.
  std::vector<std::size_t> begun(chosen.size());
  std::iota(begun.begin(), begun.end(), std::size_t{0});
  std::sort(begun.begin(), begun.end(), [&](std::size_t a, std::size_t b) {
    const unsigned left = chosen[a]->within.pct;
    const unsigned right = chosen[b]->within.pct;
    return left != right ? left > right : a < b;
  });

  const auto all = in_processes(begun, asked.jobs, asked.first, [&](std::size_t i) {
    const outcome found = explore(*chosen[i], asked.how);
    const bool good = judge(*chosen[i], found);
    return tally{true, good, found.executions, found.seconds};
  });
  unsigned passed = 0;
  unsigned failed = 0;
  tally sum;
  for (const tally& one : all) {
    if (!one.done) continue;
    ++(one.good ? passed : failed);
    sum.executions += one.executions;
    sum.seconds += one.seconds;
  }
  std::printf("models: %u passed, %u failed, %llu executions, %.1f s (%.0f executions a second)\n",
              passed, failed, static_cast<unsigned long long>(sum.executions), sum.seconds,
              sum.seconds > 0 ? static_cast<double>(sum.executions) / sum.seconds : 0);
  std::printf("%u passed, %u failed\n", passed, failed);
  if (chosen.empty()) std::fputs("model_tests: no model has such a name\n", stderr);
  return failed == 0 && !chosen.empty() ? 0 : 1;
}
