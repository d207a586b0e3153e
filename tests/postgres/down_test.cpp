#include <cstdint>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

/// A port whose connections are accepted by the kernel, and never answered: what a stopped server,
/// or a firewall that drops everything, looks like.
class silent_port {
 public:
  silent_port() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof where;
    auto* const address = reinterpret_cast<sockaddr*>(&where);
    EXPECT_EQ(bind(listener_, address, length), 0);
    EXPECT_EQ(listen(listener_, 64), 0);
    EXPECT_EQ(getsockname(listener_, address, &length), 0);
    port_ = ntohs(where.sin_port);
  }
  silent_port(const silent_port&) = delete;
  silent_port& operator=(const silent_port&) = delete;
  ~silent_port() { close(listener_); }

  [[nodiscard]] std::string url() const {
    return "postgres://weir@127.0.0.1:" + std::to_string(port_) + "/weir?sslmode=disable";
  }
  /// How many have come since the last time.
  int came() {
    int count = 0;
    for (int one = accept(listener_, nullptr, nullptr); one >= 0;
         one = accept(listener_, nullptr, nullptr)) {
      close(one);
      ++count;
    }
    return count;
  }

 private:
  int listener_;
  std::uint16_t port_ = 0;
};

using postgres_down = postgres_server;

TEST_F(postgres_down, a_server_that_never_answers_is_told_as_down_to_all_and_tried_by_few) {
  silent_port silent;
  auto& db = open(silent.url(), {.max_open = 8, .max_opening = 2});
  std::vector<task_handle<errc>> callers;
  for (int i = 0; i < 20; ++i) {
    const auto one = [&db](context ctx) -> task<errc> {
      const context_source hurry{ctx, {.timeout = 300ms}};
      const auto done = co_await db.ping(hurry.get());
      co_return done ? errc::failed : done.error().code();
    };
    callers.push_back(stop_.spawn("caller", one).value());
  }
  for (auto& one : callers) EXPECT_EQ(weir::wait(one.join({})), errc::server_down);
  EXPECT_LE(silent.came(), 2);
  EXPECT_EQ(db.stats().writers.open, 0U);
}

TEST_F(postgres_down, a_port_where_nobody_listens_is_told_as_down) {
  std::string url;
  {
    const silent_port gone;
    url = gone.url();
  }
  auto& db = open(url, {.max_open = 8});
  for (int i = 0; i < 5; ++i) {
    const context_source hurry{{}, {.timeout = 300ms}};
    const auto done = weir::wait(db.ping(hurry.get()));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::server_down) << done.error().to_string();
  }
  EXPECT_TRUE(db.stats().writers.down);
}

}  // namespace
}  // namespace weir
