// The program `weir`: see help.cpp for what it does.

#include <cstdio>
#include <exception>
#include <variant>

#include "bank/bank.hpp"
#include "cli.hpp"
#include "retry/retry.hpp"
#include "secrets.hpp"

int main(int argc, char** argv) {
  try {
    const auto asked = weir::app::parse_command_line(argc, argv);
    weir::app::hide_passwords(argc, argv);
    if (const auto* done = std::get_if<weir::app::finished>(&asked)) {
      std::fputs(done->text.c_str(), done->exit_code == 0 ? stdout : stderr);
      return done->exit_code;
    }
    if (const auto* retry = std::get_if<weir::retry_cli::options>(&asked)) {
      return weir::retry_cli::run(*retry);
    }
    return weir::bank::run(std::get<weir::bank::options>(asked));
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "weir: %s\n", thrown.what());
    return weir::bank::failed;
  }
}
