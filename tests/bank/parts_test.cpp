// The parts of the bank that need no database: durations, latencies, ids, the journal's lines.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>

#include "bank/histogram.hpp"
#include "bank/journal.hpp"
#include "bank/transfer.hpp"
#include "secrets.hpp"
#include "text.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(command_line, passwords_are_overwritten_where_ps_looks_for_them) {
  std::string words[] = {"weir", "postgres://alice:s3:c/r@t@db:5432/bank?sslmode=require",
                         "postgres://alice@db/bank?password=s3cret&sslpassword=t0o", "a:b@c",
                         "postgres://db:5432/bank"};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                  words[4].data()};
  app::hide_passwords(5, argv);
  EXPECT_EQ(words[1], "postgres://alice:********@db:5432/bank?sslmode=require");
  EXPECT_EQ(words[2], "postgres://alice@db/bank?password=******&sslpassword=***");
  EXPECT_EQ(words[3], "a:b@c");
  EXPECT_EQ(words[4], "postgres://db:5432/bank");
}

// ---- text
// ----------------------------------------------------------------------------------------

TEST(text, durations_have_a_unit_and_may_have_a_fraction) {
  EXPECT_EQ(app::parse_duration("20s").value(), 20s);
  EXPECT_EQ(app::parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(app::parse_duration("2m").value(), 2min);
  EXPECT_EQ(app::parse_duration("0.5s").value(), 500ms);
  EXPECT_EQ(app::parse_duration("1h").value(), 1h);
  EXPECT_EQ(app::parse_duration("0us").value(), 0s);
}

TEST(text, what_is_no_duration_is_refused_with_the_reason) {
  const auto why = [](std::string_view text) {
    return std::string{app::parse_duration(text).error().message()};
  };
  EXPECT_THAT(why("-5s"), HasSubstr("negative"));
  EXPECT_THAT(why("-0s"), HasSubstr("negative"));
  EXPECT_THAT(why("5"), HasSubstr("no unit"));
  EXPECT_THAT(why("5 s"), HasSubstr("not a unit"));
  EXPECT_THAT(why("5days"), HasSubstr("not a unit"));
  EXPECT_THAT(why("1e3s"), HasSubstr("not a unit"));
  EXPECT_THAT(why("nan"), HasSubstr("not a duration"));
  EXPECT_THAT(why("inf"), HasSubstr("not a duration"));
  EXPECT_THAT(why(""), HasSubstr("not a duration"));
  EXPECT_THAT(why("999999999h"), HasSubstr("ten years"));
}

TEST(text, numbers_are_grouped_by_three) {
  EXPECT_EQ(app::with_commas(0), "0");
  EXPECT_EQ(app::with_commas(999), "999");
  EXPECT_EQ(app::with_commas(1000), "1,000");
  EXPECT_EQ(app::with_commas(-999), "-999");
  EXPECT_EQ(app::with_commas(-1234567), "-1,234,567");
}

TEST(text, lines_are_broken_at_blanks_below_their_head) {
  EXPECT_EQ(app::wrapped("ab: ", "one two three", 11), "ab: one two\n    three");
  EXPECT_EQ(app::wrapped("", "unbreakable", 4), "unbreakable");
  EXPECT_EQ(app::wrapped("x ", "", 4), "x ");
}

TEST(text, a_misspelling_finds_its_word_and_nonsense_finds_none) {
  constexpr std::string_view known[] = {"--clients", "--connections", "--json"};
  EXPECT_EQ(app::closest("--cleints", known, 3), "--clients");
  EXPECT_EQ(app::closest("--client", known, 3), "--clients");
  EXPECT_EQ(app::closest("--jsn", known, 3), "--json");
  EXPECT_EQ(app::closest("--frobnicate", known, 3), "");
  EXPECT_EQ(app::closest("--pool", known, 3), "");  // the dashes are no letters
}

// ---- latencies
// -----------------------------------------------------------------------------------

TEST(histogram, every_latency_is_in_a_bucket_that_is_3_percent_wide) {
  using buckets = bank::latency_buckets;
  std::size_t before = 0;
  for (std::int64_t ns = 1; ns < 1'000'000'000'000; ns += 1 + ns / 50) {
    const std::size_t at = buckets::index_of(duration{ns});
    ASSERT_LT(at, buckets::count);
    ASSERT_GE(at, before);
    before = at;
    const std::int64_t upper = buckets::upper(at).count();
    ASSERT_LT(ns, upper);
    ASSERT_LE(upper - ns, 256 + ns / 32) << ns;
    ASSERT_EQ(buckets::index_of(duration{upper - 1}), at);
    ASSERT_EQ(buckets::index_of(duration{upper}), at + 1);
  }
  EXPECT_EQ(buckets::index_of(24h), buckets::count - 1);
  EXPECT_EQ(buckets::index_of(-1s), 0U);
}

TEST(histogram, a_quantile_is_the_latency_of_that_rank) {
  bank::latency_recorder recorder;
  for (int ms = 1; ms <= 100; ++ms) recorder.record(std::chrono::milliseconds{ms});
  bank::histogram sum;
  EXPECT_EQ(sum.quantile(0.5), 0s);
  recorder.add_to(sum);
  EXPECT_EQ(sum.total(), 100U);
  EXPECT_NEAR(std::chrono::duration<double>(sum.quantile(0.50)).count(), 0.051, 0.002);
  EXPECT_NEAR(std::chrono::duration<double>(sum.quantile(0.99)).count(), 0.100, 0.004);
  EXPECT_EQ(recorder.longest(), 100ms);

  const bank::histogram earlier = sum;
  recorder.record(1s);
  bank::histogram later;
  recorder.add_to(later);
  EXPECT_EQ(later.since(earlier).total(), 1U);
  EXPECT_NEAR(std::chrono::duration<double>(later.since(earlier).quantile(0.5)).count(), 1.0, 0.04);
}

// ---- transfers
// -----------------------------------------------------------------------------------

TEST(transfers, a_seed_gives_the_same_transfers_and_every_client_its_own) {
  bank::transfer_source one{7, 0, 3};
  bank::transfer_source same{7, 0, 3};
  bank::transfer_source other{7, 1, 3};
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const auto a = one.next();
    const auto b = same.next();
    const auto c = other.next();
    ASSERT_EQ(a.account, b.account);
    ASSERT_EQ(a.delta, b.delta);
    differs |= a.account != c.account;
    ASSERT_TRUE(a.account >= 1 && a.account <= 300'000);
    ASSERT_TRUE(a.teller >= 1 && a.teller <= 30);
    ASSERT_TRUE(a.branch >= 1 && a.branch <= 3);
    ASSERT_TRUE(a.delta >= -5000 && a.delta <= 5000);
  }
  EXPECT_TRUE(differs);
}

TEST(transfers, ids_have_22_characters_and_sort_as_they_were_made) {
  const bank::transfer_id a{1'700'000'000'000, 7, 31};
  const bank::transfer_id b{1'700'000'000'000, 7, 32};
  EXPECT_EQ(a.view().size(), 22U);
  EXPECT_TRUE(bank::is_transfer_id(a.view()));
  EXPECT_LT(a.view(), b.view());
  EXPECT_FALSE(bank::is_transfer_id("0123456789012345678901"));
}

TEST(transfers, a_line_comes_back_and_a_changed_one_does_not) {
  const bank::transfer_id id{1, 2, 3};
  std::string text;
  bank::append_line(text, id.view(), {4, 5, 6, -7});
  ASSERT_LE(text.size(), bank::most_line_bytes);
  ASSERT_EQ(text.back(), '\n');
  text.pop_back();
  const auto line = bank::parse_line(text);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->id, id.view());
  EXPECT_EQ(line->what.teller, 4);
  EXPECT_EQ(line->what.branch, 5);
  EXPECT_EQ(line->what.account, 6);
  EXPECT_EQ(line->what.delta, -7);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(bank::parse_line(text.substr(0, i))) << i;
    std::string changed = text;
    changed[i] = changed[i] == '1' ? '2' : '1';
    EXPECT_FALSE(bank::parse_line(changed)) << i;
  }
}

// ---- journal
// -------------------------------------------------------------------------------------

class journal : public ::testing::Test {
 protected:
  journal() {
    const int made = mkstemp(path.data());
    EXPECT_GE(made, 0);
    close(made);
  }
  ~journal() override { std::remove(path.c_str()); }

  [[nodiscard]] std::string content() const {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  // The ids of its entries, read from the beginning.
  std::multiset<std::string> ids(bool& torn) const {
    std::multiset<std::string> found;
    const auto file = bank::open_journal_to_read(path).value();
    bank::journal_reader reader{file.get(), path};
    for (;;) {
      const auto step = reader.next().value();
      EXPECT_NE(step, bank::journal_reader::step::damaged) << reader.line_number();
      if (step != bank::journal_reader::step::entry) break;
      found.emplace(reader.entry().id);
    }
    torn = reader.torn();
    return found;
  }

  std::string path = ::testing::TempDir() + "weir-journal-XXXXXX";
};

TEST_F(journal, every_append_that_returned_is_a_whole_line_whoever_appends_beside_it) {
  constexpr std::uint64_t clients = 16;
  constexpr std::uint64_t each = 200;
  const auto log = bank::journal::open(path).value();
  ASSERT_TRUE(log->restart());
  {
    runtime where{{.workers = 4}};
    stopper owner{where};
    for (std::uint64_t client = 0; client < clients; ++client) {
      auto run = [&log, client](context) -> task<void> {
        for (std::uint64_t i = 0; i < each; ++i) {
          const auto done = co_await log->append({1, client, i}, {1, 1, 1, 1});
          EXPECT_TRUE(done);
        }
      };
      ASSERT_TRUE(owner.spawn("client", run));
    }
    ASSERT_TRUE(wait(owner.stop({.drain = 1h})));
  }
  bool torn = true;
  const auto found = ids(torn);
  EXPECT_FALSE(torn);
  EXPECT_EQ(found.size(), clients * each);
  EXPECT_EQ((std::set<std::string>{found.begin(), found.end()}.size()), clients * each);
}

TEST_F(journal, cut_off_anywhere_it_reads_as_its_whole_lines_and_a_torn_end) {
  {
    const auto log = bank::journal::open(path).value();
    ASSERT_TRUE(log->restart());
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(wait(log->append({1, 2, i}, {1, 2, 3, 4})));
  }
  const std::string whole = content();
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    {
      std::ofstream cut{path, std::ios::trunc};
      cut << whole.substr(0, length);
    }
    bool torn = false;
    const auto found = ids(torn);
    std::size_t lines = 0;
    for (const char c : whole.substr(0, length)) lines += c == '\n' ? 1 : 0;
    const bool between_lines = length == 0 || whole[length - 1] == '\n';
    // Whole but for its newline counts: what is in the journal was committed before.
    const bool lacks_newline = !between_lines && whole[length] == '\n' && lines > 0;
    EXPECT_EQ(found.size(), (lines > 0 ? lines - 1 : 0) + (lacks_newline ? 1 : 0)) << length;
    EXPECT_EQ(torn, !between_lines && !lacks_newline && lines > 0) << length;
  }
}

TEST_F(journal, is_one_banks_at_a_time) {
  const auto mine = bank::journal::open(path).value();
  const auto theirs = bank::journal::open(path);
  ASSERT_FALSE(theirs);
  EXPECT_EQ(theirs.error().code(), errc::busy);
}

TEST_F(journal, a_failed_write_is_taken_back_and_fails_every_later_append) {
  const auto log = bank::journal::open(path).value();
  ASSERT_TRUE(log->restart());
  ASSERT_TRUE(wait(log->append({1, 1, 1}, {1, 1, 1, 1})));
  const std::string before = content();

  // Room for a part of the next line.
  rlimit all{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &all), 0);
  const rlimit little{.rlim_cur = before.size() + 10, .rlim_max = all.rlim_max};
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
  const auto failed = wait(log->append({1, 1, 2}, {1, 1, 1, 1}));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &all), 0);
  std::signal(SIGXFSZ, ignored);

  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::io);
  EXPECT_THAT(std::string{failed.error().message()}, HasSubstr("free space"));
  EXPECT_EQ(content(), before);
  EXPECT_FALSE(wait(log->append({1, 1, 3}, {1, 1, 1, 1})));
  EXPECT_EQ(content(), before);
}

TEST_F(journal, another_kind_of_file_is_left_alone) {
  {
    std::ofstream file{path, std::ios::trunc};
    file << "dear diary\n";
  }
  const auto log = bank::journal::open(path).value();
  bank::journal_reader reader{log->descriptor(), path};
  const auto step = reader.next();
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code(), errc::invalid_argument);
  EXPECT_EQ(content(), "dear diary\n");
}

}  // namespace
}  // namespace weir
