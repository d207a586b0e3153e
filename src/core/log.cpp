#include <algorithm>
#include <cstdio>

#include <weir/core/log.hpp>

namespace weir {
namespace {

class drop final : public log_sink {
 public:
  void write(log_level, std::string_view) noexcept override {}
};

class to_stderr final : public log_sink {
 public:
  void write(log_level level, std::string_view line) noexcept override {
    static constexpr const char* names[] = {"debug", "info", "warning", "error"};
    // One call per line: stdio's own lock keeps lines of different threads apart.
    std::fprintf(stderr, "weir %s: %.*s\n", names[static_cast<int>(level)],
                 static_cast<int>(line.size()), line.data());
  }
};

}  // namespace

void write_lines(log_sink& sink, log_level level, std::string_view text) noexcept {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    sink.write(level, line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));  // the last one may have no newline
  }
}

log_sink& no_log() noexcept {
  static constinit drop instance;
  return instance;
}

log_sink& stderr_log() noexcept {
  static constinit to_stderr instance;
  return instance;
}

}  // namespace weir
