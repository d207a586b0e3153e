#include "finished.hpp"

#include "text.hpp"

namespace weir::app {

finished misused(std::string_view program, std::string_view sentence, int exit_code) {
  // One line, however long: messages are searched for.
  std::string text{program};
  text += ": ";
  text += sentence;
  text += "\ntry '";
  text += program;
  text += " --help'\n";
  return {exit_code, std::move(text)};
}

std::string unknown(std::string_view what, std::string_view given,
                    std::span<const std::string_view> known) {
  std::string text = "unknown ";
  text += what;
  text += " '";
  text += given;
  text += "'";
  const std::string_view near = closest(given, known.data(), known.size());
  if (!near.empty()) {
    text += "; did you mean '";
    text += near;
    text += "'?";
  }
  return text;
}

}  // namespace weir::app
