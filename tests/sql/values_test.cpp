#include "sql/fixture.hpp"

namespace weir {
namespace {

static_assert(std::is_nothrow_move_constructible_v<sql::rows>);
static_assert(std::is_nothrow_move_constructible_v<sql::tx>);
static_assert(std::is_nothrow_move_constructible_v<sql::conn>);
static_assert(std::is_nothrow_move_constructible_v<sql::db>);
static_assert(!std::is_copy_constructible_v<sql::tx>);
static_assert(!sql::parameter<std::vector<int>>);
static_assert(sql::parameter<std::optional<std::string>>);
static_assert(std::is_same_v<sql::row_of<int>, int>);
static_assert(std::is_same_v<sql::row_of<int, bool>, std::tuple<int, bool>>);

struct money {
  std::int64_t cents = 0;
  friend bool operator==(money, money) = default;
};
enum class color : std::int16_t { red = 3, blue = 70 };

}  // namespace

template <>
struct sql::bind<money> {
  static result<value> from(money m) { return value{m.cents}; }
};
template <>
struct sql::scan<money> {
  static result<money> from(const column& c) {
    const auto cents = scan<std::int64_t>::from(c);
    if (!cents) return std::unexpected(cents.error());
    return money{*cents};
  }
};

namespace {

class values : public fake_db {
 protected:
  template <class T, class P>
  result<T> echo(P&& p) {
    return run(db().query_row<T>(ctx(), "echo ?", std::forward<P>(p)));
  }
};

TEST_F(values, of_every_type_come_back_as_they_went) {
  EXPECT_EQ(echo<std::int64_t>(std::int64_t{-5}).value(), -5);
  EXPECT_EQ(echo<unsigned>(7U).value(), 7U);
  EXPECT_EQ(echo<double>(1.5).value(), 1.5);
  EXPECT_EQ(echo<bool>(true).value(), true);
  EXPECT_EQ(echo<std::string>("text").value(), "text");
  EXPECT_EQ(echo<std::string>(std::string(100, 'x')).value(), std::string(100, 'x'));
  EXPECT_EQ(echo<sql::bytes>(sql::bytes{std::byte{1}, std::byte{0}}).value().size(), 2U);
  EXPECT_EQ(echo<color>(color::blue).value(), color::blue);
  EXPECT_EQ(echo<money>(money{12}).value(), money{12});
  const auto when = std::chrono::floor<std::chrono::microseconds>(
      std::chrono::system_clock::time_point{1'700'000'000'123'456us});
  EXPECT_EQ(echo<sql::wall_time>(when).value(), when);
}

TEST_F(values, null_goes_into_an_optional_and_comes_back_as_one) {
  EXPECT_EQ(echo<std::optional<int>>(sql::null).value(), std::nullopt);
  EXPECT_EQ(echo<std::optional<int>>(nullptr).value(), std::nullopt);
  EXPECT_EQ(echo<std::optional<int>>(std::optional<int>{}).value(), std::nullopt);
  EXPECT_EQ(echo<std::optional<std::string>>(std::optional<std::string>{"x"}).value(), "x");
}

TEST_F(values, null_in_a_plain_type_is_an_error_that_names_the_column) {
  const auto got = echo<int>(sql::null);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::type_mismatch);
  EXPECT_EQ(got.error().text("column"), "c1");
  EXPECT_NE(got.error().to_string().find("NULL where an integer"), std::string::npos);
}

TEST_F(values, that_do_not_fit_are_errors_that_name_the_column) {
  EXPECT_EQ(echo<std::int8_t>(128).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<std::int8_t>(-128).value(), -128);
  EXPECT_EQ(echo<std::uint8_t>(-1).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<std::int64_t>(1e19).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<std::int64_t>(0x1p63).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<std::int64_t>(-0x1p63).value(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(echo<int>(1.5).error().code(), errc::type_mismatch);
  EXPECT_EQ(echo<float>(1e300).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<double>((std::int64_t{1} << 53) + 1).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<double>(std::numeric_limits<std::int64_t>::max()).error().code(),
            errc::out_of_range);
  EXPECT_EQ(echo<bool>(2).error().code(), errc::out_of_range);
  EXPECT_EQ(echo<int>("7").error().code(), errc::type_mismatch);
  EXPECT_EQ(echo<color>(40'000).error().text("column"), "c1");
}

TEST_F(values, an_unsigned_parameter_beyond_63_bits_is_refused_before_it_is_sent) {
  const auto got = run(db().exec(ctx(), "echo ? ?", 1, std::numeric_limits<std::uint64_t>::max()));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::out_of_range);
  EXPECT_EQ(got.error().number("parameter"), 2);
  EXPECT_EQ(server->count(fake::call::exec), 0);
}

TEST_F(values, a_wrong_number_of_parameters_is_told_with_both_numbers) {
  const auto got = run(db().exec(ctx(), "echo ? ?", 1));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::invalid_argument);
  EXPECT_EQ(got.error().number("wanted"), 2);
  EXPECT_EQ(got.error().number("given"), 1);
}

TEST_F(values, named_parameters_find_their_place) {
  using sql::named;
  const auto got = run(
      db().query_row<int, std::string>(ctx(), "echo :a :b", named("b", "second"), named("a", 1)));
  EXPECT_EQ(got.value(), (std::tuple{1, std::string{"second"}}));
  const auto unknown = run(db().exec(ctx(), "echo :a", named("z", 1)));
  EXPECT_EQ(unknown.error().code(), errc::invalid_argument);
  EXPECT_EQ(unknown.error().text("name"), "z");
  const auto twice = run(db().exec(ctx(), "echo :a :b", named("a", 1), named("a", 2)));
  EXPECT_EQ(twice.error().code(), errc::invalid_argument);
}

TEST_F(values, a_row_has_as_many_types_as_columns) {
  const auto got = run(db().query_row<int>(ctx(), "echo ? ?", 1, 2));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::invalid_argument);
  EXPECT_EQ(got.error().number("columns"), 2);
}

TEST_F(values, a_column_that_does_not_exist_is_not_found) {
  auto look = [](sql::db* db, context ctx) -> task<void> {
    auto rows = (co_await db->query(ctx, "echo ?", 1)).value();
    EXPECT_TRUE(co_await rows.next());
    EXPECT_EQ(rows.get<int>("nothing").error().code(), errc::not_found);
    EXPECT_EQ(rows.get<int>(1).error().code(), errc::not_found);
    EXPECT_EQ(rows.get<int>(0).value(), 1);
  };
  run(look(&db(), ctx()));
}

TEST_F(values, text_passed_as_a_temporary_lives_until_the_call_has_ended) {
  auto make = [&] {
    const std::string gone(200, 'y');
    return db().query_row<std::string>(ctx(), sql::statement_text{std::string{"echo ?"}},
                                       std::string_view{gone});
  };
  EXPECT_EQ(run(make()).value(), std::string(200, 'y'));
}

TEST(row_buffer, keeps_text_and_bytes_apart_from_the_drivers_memory) {
  sql::row_buffer rows;
  std::string from = "first";
  rows.start(2);
  rows.add(std::string_view{from});
  rows.add_null();
  rows.end_row();
  from = "XXXXX";
  rows.add(std::string_view{});
  rows.add(2.5);
  rows.end_row();
  EXPECT_EQ(std::get<std::string_view>(rows.at(0, 0)), "first");
  EXPECT_TRUE(std::holds_alternative<sql::null_t>(rows.at(0, 1)));
  EXPECT_EQ(std::get<std::string_view>(rows.at(1, 0)), "");
  EXPECT_EQ(std::get<double>(rows.at(1, 1)), 2.5);
}

TEST(url, gives_its_parts) {
  const auto u = sql::url::parse("sqlite:dir/led%20ger.db?synchronous=full&x=a%26b").value();
  EXPECT_EQ(u.scheme(), "sqlite");
  EXPECT_EQ(u.body(), "dir/led%20ger.db");
  EXPECT_EQ(u.parameter("synchronous"), "full");
  EXPECT_EQ(u.parameter("x"), "a&b");
  EXPECT_EQ(u.parameter("y"), std::nullopt);
}

TEST(url, never_shows_a_password) {
  for (const char* text : {"postgres://alice:hunter2@db1,db2:5432/bank?password=hunter2&x=1",
                           "postgres://alice:hun%ter2@db1/bank", "hunter2", "sqlite:x?a=%hunter2",
                           "postgres://alice:hunter2@db1?sslkey=hunter2"}) {
    const auto u = sql::url::parse(text);
    const std::string shown = u ? u->redacted() : u.error().to_string();
    EXPECT_EQ(shown.find("hunter2"), std::string::npos) << shown;
  }
  const auto u = sql::url::parse("postgres://alice:hunter2@db1/bank?x=1").value();
  EXPECT_EQ(u.redacted(), "postgres://alice:***@db1/bank?x=1");
}

TEST(retryable, is_what_is_safe_and_may_help) {
  EXPECT_TRUE(sql::retryable(error{errc::conflict, "x"}));
  EXPECT_TRUE(sql::retryable(error{errc::busy, "x"}));
  EXPECT_TRUE(sql::retryable(sql::with_outcome(error{errc::closed, "x"}, sql::outcome::not_sent)));
  EXPECT_FALSE(sql::retryable(sql::with_outcome(error{errc::closed, "x"}, sql::outcome::unknown)));
  EXPECT_FALSE(sql::retryable(error{errc::commit_unknown, "x"}));
  EXPECT_FALSE(sql::retryable(error{errc::cancelled, "x"}));
  EXPECT_FALSE(sql::retryable(error{errc::constraint, "x"}));
  EXPECT_EQ(sql::outcome_of(error{errc::commit_unknown, "x"}), sql::outcome::unknown);
}

}  // namespace
}  // namespace weir
