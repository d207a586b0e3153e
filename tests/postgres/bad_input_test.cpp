// What is wrong is told in one sentence without secrets, and the pool goes on.
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <weir/sql/url.hpp>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

constexpr std::string_view canary = "hunter2-canary";

class bad_input : public postgres_server {
 protected:
  /// The server's address with another user information, path and parameters.
  static std::string address(std::string_view who, std::string_view parameters = "") {
    return "postgres://" + std::string{who} + "@127.0.0.1:" + environment("WEIR_PG_PORT") +
           "/weir" + std::string{parameters};
  }

  /// What the first use of an address ends with.
  error first_use(const std::string& of) {
    auto opened = postgres::open(stop_, of, {.name = "bad", .max_open = 2});
    if (!opened) return opened.error();
    const auto pinged = weir::wait(opened->ping({}));
    EXPECT_FALSE(pinged) << "it can be reached";
    return pinged ? error{errc::failed, "no error"} : pinged.error();
  }

  static void expect_no_secret(const error& why) {
    const std::string all = why.to_string();
    EXPECT_EQ(all.find(canary), std::string::npos) << all;
    EXPECT_EQ(all.find("hunter2"), std::string::npos) << all;
  }

  static void expect(const error& why, errc code, std::string_view part) {
    expect_no_secret(why);
    EXPECT_EQ(why.code(), code) << why.to_string();
    EXPECT_NE(why.to_string().find(part), std::string::npos) << why.to_string();
    EXPECT_EQ(why.message().find('\n'), std::string_view::npos) << why.message();
  }

  /// Refused with that; and the next statement finds the very same connection.
  template <class T>
  void refused(const result<T>& got, errc code, std::string_view part) {
    ASSERT_FALSE(got) << "it is accepted";
    expect(got.error(), code, part);
    EXPECT_EQ(row<int>("SELECT pg_backend_pid()").value(), backend_);
  }

  void one_connection() {
    open(socket_url(), {.max_open = 1});
    backend_ = row<int>("SELECT pg_backend_pid()").value();
  }

  static void show_certificate(const char* which) {
    const std::string command = "\"$WEIR_PG_CLUSTER\" tls " + std::string{which};
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

 private:
  int backend_ = 0;
};

TEST_F(bad_input, a_wrong_password_is_denied_and_not_shown) {
  const std::string who = "weir:" + std::string{canary};
  expect(first_use(address(who)), errc::denied, "password authentication failed");
  expect(first_use(address("weir", "?password=" + std::string{canary})), errc::denied, "password");
  expect(first_use(address("nobody_known:" + std::string{canary})), errc::denied, "nobody_known");
  EXPECT_EQ(row<int>("SELECT 1").value(), 1);
}

TEST_F(bad_input, an_unknown_host_or_database_is_named) {
  const std::string who = "weir:" + std::string{canary};
  expect(first_use("postgres://" + who + "@no-such-host.invalid/weir"), errc::not_found,
         "no-such-host.invalid");
  auto elsewhere = sql::url::parse(tcp_url());
  ASSERT_TRUE(elsewhere);
  const std::string body = elsewhere->body();
  expect(first_use("postgres:" + body.substr(0, body.rfind('/')) + "/no_such_database"),
         errc::not_found, "no_such_database");
}

TEST_F(bad_input, malformed_addresses_repeat_nothing_that_could_be_a_secret) {
  const std::string secret{canary};
  for (const std::string& one : std::vector<std::string>{
           "postgres:weir:" + secret + "@host/db",             //
           "postgres://weir:" + secret + "/x@host/db",         // a '/' that was not escaped
           "postgres://weir:" + secret + "@host:99999999/db",  //
           "postgres://weir:" + secret + "%zz@host/db",        //
           "postgres://weir:" + secret + "@[::1/db",           //
           "postgres://weir:" + secret + "@host/db?colour=" + secret,
           "postgres://weir:" + secret + "@host/db?password=%g1" + secret,
           "postgres//weir:" + secret + "@host/db",
       }) {
    const auto opened = postgres::open(stop_, one);
    ASSERT_FALSE(opened) << one;
    expect(opened.error(), errc::invalid_argument, "");
    const auto parsed = sql::url::parse(one);
    if (parsed && one.find("weir:" + secret + "@") != std::string::npos &&
        parsed->body().starts_with("//")) {
      EXPECT_EQ(parsed->redacted().find("weir:" + secret), std::string::npos) << one;
    }
  }
}

TEST_F(bad_input, a_server_without_tls_where_it_is_required_gets_no_password) {
  show_certificate("off");
  expect(first_use(tcp_url() + "?sslmode=require"), errc::unsupported, "does not support SSL");
  // 0.0.0.0 is this machine, but its name does not say so: TLS is required by default.
  std::string elsewhere = tcp_url();
  elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "0.0.0.0");
  expect(first_use(elsewhere), errc::unsupported, "does not support SSL");
  open(elsewhere + "?sslmode=disable");
  EXPECT_EQ(row<int>("SELECT 1").value(), 1);
  show_certificate("good");
}

TEST_F(bad_input, an_expired_certificate_is_refused) {
  const std::string strict =
      tcp_url() + "?sslmode=verify-full&sslrootcert=" + environment("WEIR_PG_CA");
  show_certificate("expired");
  expect(first_use(strict), errc::denied, "certificate");
  show_certificate("good");
  open(strict);
  EXPECT_TRUE(row<bool>("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").value());
}

TEST_F(bad_input, a_certificate_of_an_unknown_authority_or_for_another_host_is_refused) {
  std::string elsewhere = tcp_url();
  elsewhere.replace(elsewhere.find("127.0.0.1"), 9, "0.0.0.0");
  expect(first_use(elsewhere), errc::denied, "certificate");
  expect(first_use(elsewhere + "?sslrootcert=" + environment("WEIR_PG_CA")), errc::denied,
         "certificate");
  expect(first_use(tcp_url() + "?sslmode=verify-full&sslrootcert=/no/such/file"), errc::not_found,
         "/no/such/file");
}

TEST_F(bad_input, an_isolation_that_postgres_does_not_have_is_unsupported) {
  one_connection();
  refused(weir::wait(db().begin({}, {.level = sql::isolation::read_uncommitted})),
          errc::unsupported, "read uncommitted");
}

TEST_F(bad_input, a_wrong_number_of_parameters_is_told_with_both_numbers) {
  one_connection();
  const auto too_few = row<int>("SELECT $1::int4 + $2::int4", 1);
  refused(too_few, errc::invalid_argument, "");
  EXPECT_NE(too_few.error().to_string().find('2'), std::string::npos);
  refused(row<int>("SELECT $1::int4", 1, 2), errc::invalid_argument, "");
  refused(row<int>("SELECT 1", 1), errc::invalid_argument, "");
}

TEST_F(bad_input, a_wrong_type_is_told_by_the_parameter_or_the_column) {
  one_connection();
  refused(row<int>("SELECT $1::int4", "seven"), errc::type_mismatch, "");
  refused(row<int>("SELECT $1::int2", 70'000), errc::out_of_range, "");
  refused(row<int>("SELECT $1::uuid", "no uuid"), errc::type_mismatch, "");
  refused(row<int>("SELECT 'seven' AS wanted"), errc::type_mismatch, "wanted");
  refused(row<std::int8_t>("SELECT 1000 AS wide"), errc::out_of_range, "wide");
}

TEST_F(bad_input, null_into_a_plain_type_names_the_column) {
  one_connection();
  refused(row<int>("SELECT NULL::int4 AS absent"), errc::type_mismatch, "absent");
  EXPECT_EQ(row<std::optional<int>>("SELECT NULL::int4").value(), std::nullopt);
}

TEST_F(bad_input, text_that_is_no_utf8_is_refused) {
  one_connection();
  refused(row<std::string>("SELECT $1::text", std::string{"\xff\xfe"}), errc::invalid_argument,
          "UTF-8");
  refused(row<std::string>("SELECT $1::text", std::string("a\0b", 3)), errc::invalid_argument, "");
  EXPECT_EQ(row<std::string>("SELECT $1::text", "h\u00e9").value(), "h\u00e9");
}

TEST_F(bad_input, sixty_four_megabytes_go_there_and_back) {
  one_connection();
  constexpr std::size_t size = 64 * 1024 * 1024;
  std::string large(size, 'x');
  large.back() = 'y';
  const auto back = row<std::string>("SELECT $1::text", std::move(large));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->size(), size);
  EXPECT_EQ(back->back(), 'y');
  EXPECT_EQ(row<int>("SELECT 1").value(), 1);
}

}  // namespace
}  // namespace weir
