// What every rival program in C++ shares: the protocol of bench/README.md and
// the measuring loop.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace peer {

using clock = std::chrono::steady_clock;

inline double seconds_since(clock::time_point begin) {
  return std::chrono::duration<double>(clock::now() - begin).count();
}

// The optimiser must believe that the value is read, and that memory changed.
template <class T>
void keep(T&& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

// What of this process is in memory now.
inline double resident_bytes() {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    if (std::strncmp(line, "VmRSS:", 6) == 0) std::sscanf(line + 6, "%lf", &kib);
  }
  if (status != nullptr) std::fclose(status);
  return kib * 1024;
}

inline void emit(const std::string& row, const char* unit, double value) {
  // All digits of a count: it is compared with the server's.
  std::printf("{\"row\": \"%s\", \"unit\": \"%s\", \"value\": %.15g}\n", row.c_str(), unit, value);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Grows n until run(n) takes 100 ms, which also warms up, and returns the median
// of three runs in ns per operation, where run(n) does n * per_run operations.
template <class Run>
double measure(std::size_t per_run, Run run) {
  auto seconds = [&](std::size_t n) {
    const auto begin = clock::now();
    run(n);
    return seconds_since(begin);
  };
  std::size_t n = 1;
  while (seconds(n) < 0.1) n *= 2;
  std::vector<double> ns;
  for (int i = 0; i < 3; ++i) ns.push_back(seconds(n) * 1e9 / double(n * per_run));
  return median(ns);
}

// Runs body(i) on `count` threads and joins them.
template <class Body>
void together(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (auto& thread : threads) thread.join();
}

using rows = std::map<std::string, std::function<void(const std::string&)>>;

// The main function of a peer. A second thread lives from start to end, because
// glibc and libstdc++ leave out locks in a process that never had one.
inline int run(int argc, char** argv, const char* version, const rows& table) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s ROW | --version\n", argv[0]);
    return 2;
  }
  if (std::string(argv[1]) == "--version") {
    std::puts(version);
    return 0;
  }
  const auto row = table.find(argv[1]);
  if (row == table.end()) {
    std::fprintf(stderr, "%s has no row %s\n", argv[0], argv[1]);
    return 3;
  }
  std::thread([] { pause(); }).detach();
  row->second(row->first);
  std::fflush(stdout);
  _exit(0);  // the second thread still sleeps
}

}  // namespace peer
