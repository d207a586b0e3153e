#include "cli.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <weir/version.hpp>

#include "bank/bank.hpp"
#include "bank/dialect.hpp"
#include "help.hpp"
#include "retry/parse.hpp"
#include "text.hpp"

namespace weir::app {

namespace {

using most = std::numeric_limits<std::int64_t>;

finished misused(std::string_view program, std::string_view sentence) {
  return app::misused(program, sentence, bank::usage);
}

/// Adds options whose values are checked here, so that every refusal is a sentence of ours.
class option_adder {
 public:
  explicit option_adder(CLI::App& to) noexcept : to_(to) {}

  template <class Read>
  void value(const char* name, Read read) {
    const auto accept = [name, read](const std::string& text) {
      if (text.starts_with("--")) {  // the next option: no value of ours begins like that
        throw CLI::ValidationError(std::string{name} + " needs a value", bank::usage);
      }
      if (const result<void> taken = read(text); !taken) {
        throw CLI::ValidationError(std::string{name} + ": " + std::string{taken.error().message()},
                                   bank::usage);
      }
    };
    to_.add_option_function<std::string>(name, accept)->take_last();
  }
  void text(const char* name, std::string& into) {
    value(name, [&into](const std::string& given) -> result<void> {
      if (given.empty()) return fail(errc::invalid_argument, "it is empty");
      into = given;
      return {};
    });
  }
  void time(const char* name, duration& into, duration least) {
    value(name, [&into, least](const std::string& given) -> result<void> {
      const auto parsed = parse_duration(given);
      if (!parsed) return std::unexpected(parsed.error());
      if (*parsed < least) {
        return std::unexpected(
            error{errc::invalid_argument,
                  "'" + given + "' is too short: the least is " + to_text(least)});
      }
      into = *parsed;
      return {};
    });
  }
  template <class T>
  void number(const char* name, T& into, std::int64_t least, std::int64_t largest) {
    value(name, [&into, least, largest](const std::string& given) -> result<void> {
      const auto parsed = parse_whole(given, least, largest);
      if (!parsed) return std::unexpected(parsed.error());
      into = static_cast<std::size_t>(*parsed);
      return {};
    });
  }

 private:
  CLI::App& to_;
};

void add_bank_options(CLI::App& bank_app, bank::options& how) {
  using namespace std::chrono_literals;
  option_adder add{bank_app};
  add.text("--db", how.database);
  add.text("--journal", how.journal);
  add.text("--json", how.json);
  add.number("--clients", how.clients, 1, bank::most_clients);
  add.number("--connections", how.connections, 1, bank::most_connections);
  add.number("--scale", how.scale, 1, bank::most_scale);
  add.number("--seed", how.seed, 0, most::max());
  add.number("--test-kill-in-commit", how.kill_in_commit, 1, most::max());
  add.number("--test-kill-after-log", how.kill_after_log, 1, most::max());
  add.time("--duration", how.run_for, 1ms);
  add.time("--drain", how.drain, 0ms);
  add.time("--cancel", how.cancel, 0ms);
  add.value("--synchronous", [&how](const std::string& given) -> result<void> {
    if (given != "normal" && given != "full") {
      return std::unexpected(
          error{errc::invalid_argument, "'" + given + "' is unknown; it is normal or full"});
    }
    how.synchronous = given == "full" ? sqlite::synchronous::full : sqlite::synchronous::normal;
    return {};
  });
  add.value("--commit", [&how](const std::string& given) -> result<void> {
    if (given != "alone" && given != "grouped") {
      return std::unexpected(
          error{errc::invalid_argument, "'" + given + "' is unknown; it is alone or grouped"});
    }
    how.commit = given == "grouped" ? sql::commit_mode::grouped : sql::commit_mode::alone;
    return {};
  });
  add.value("--isolation", [&how](const std::string& given) -> result<void> {
    static constexpr std::pair<std::string_view, sql::isolation> levels[] = {
        {"read-committed", sql::isolation::read_committed},
        {"repeatable-read", sql::isolation::repeatable_read},
        {"serializable", sql::isolation::serializable}};
    const auto* found = std::ranges::find(levels, given, [](auto& one) { return one.first; });
    if (found == std::end(levels)) {
      return std::unexpected(error{errc::invalid_argument,
                                   "'" + given +
                                       "' is unknown; it is read-committed, repeatable-read or "
                                       "serializable"});
    }
    how.level = found->second;
    return {};
  });
  bank_app.add_flag("--early-release", how.early_release);
  bank_app.add_flag("--audit-only", how.audit_only);
}

constexpr std::string_view shown_options[] = {
    "--db",     "--clients",    "--duration",      "--scale",  "--connections", "--synchronous",
    "--commit", "--isolation",  "--drain",         "--cancel", "--seed",        "--journal",
    "--json",   "--audit-only", "--early-release", "--help"};
constexpr std::string_view commands[] = {"bank", "retry"};

// Quoted as it was given, without a value that came with it.
std::string_view name_of_flag(std::string_view given) {
  return given.substr(0, given.find('='));
}

command parse_bank(CLI::App& app, std::vector<std::string> words) {
  bank::options how;
  add_bank_options(app, how);
  app.allow_extras();
  bool help = false;
  app.set_help_flag();
  app.add_flag("-h,--help", help);
  std::ranges::reverse(words);  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::ArgumentMismatch& wrong) {
    const std::string_view text = wrong.what();
    return misused("weir bank", std::string{text.substr(0, text.find(':'))} + " needs a value");
  } catch (const CLI::ParseError& wrong) {
    return misused("weir bank", wrong.what());
  }
  if (help) return finished{0, std::string{bank_help()}};
  for (const std::string& extra : app.remaining()) {
    if (extra.starts_with('-')) {
      return misused("weir bank", unknown("option", name_of_flag(extra), shown_options));
    }
    return misused("weir bank", "'" + extra + "' belongs to no option");
  }
  const auto where = bank::find_place(how.database);
  if (!where) return misused("weir bank", "--db: " + std::string{where.error().message()});
  if (how.synchronous && !where->speaks->is_file) {
    return misused("weir bank",
                   "--synchronous is SQLite's; for PostgreSQL end the address with "
                   "?options=-csynchronous_commit%3Doff");
  }
  if (how.early_release && where->speaks->is_file) {
    return misused(
        "weir bank",
        "--early-release is PostgreSQL's; SQLite has one writer, and nobody waits for its "
        "locks");
  }
  return how;
}

}  // namespace

command parse_command_line(int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return misused("weir", "which command? There are 'bank' and 'retry'");
  const std::string& first = words.front();
  if (first == "--help" || first == "-h" || first == "help") {
    return finished{0, std::string{program_help()}};
  }
  if (first == "--version") {
    return finished{0, "weir " + std::string{version_string} + "\n"};
  }
  if (first.starts_with('-')) {
    return misused("weir", "unknown option '" + std::string{name_of_flag(first)} + "'");
  }
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (first == "retry") {
    return std::visit([](auto asked) -> command { return asked; }, retry_cli::parse(rest));
  }
  if (first != "bank") return misused("weir", unknown("command", first, commands));
  CLI::App app;
  return parse_bank(app, rest);
}

}  // namespace weir::app
