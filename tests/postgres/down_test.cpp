#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

int listen_on(std::uint16_t& port, int flags = 0) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof where;
  auto* const address = reinterpret_cast<sockaddr*>(&where);
  EXPECT_EQ(bind(listener, address, length), 0);
  EXPECT_EQ(listen(listener, 64), 0);
  EXPECT_EQ(getsockname(listener, address, &length), 0);
  port = ntohs(where.sin_port);
  return listener;
}

/// A port whose connections are accepted by the kernel, and never answered: what a stopped server,
/// or a firewall that drops everything, looks like.
class silent_port {
 public:
  silent_port() : listener_(listen_on(port_, SOCK_NONBLOCK)) {}
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
  std::uint16_t port_ = 0;
  int listener_;
};

/// A server that agrees to TLS and then dies, in an orderly way and as in a crash by turns.
class dying_port {
 public:
  dying_port() : listener_(listen_on(port_)), serves_([this] { serve(); }) {}
  dying_port(const dying_port&) = delete;
  dying_port& operator=(const dying_port&) = delete;
  ~dying_port() {
    shutdown(listener_, SHUT_RDWR);  // ends the thread's accept
    serves_.join();
    close(listener_);
  }

  [[nodiscard]] std::string url(const std::string& sslmode) const {
    return "postgres://weir@127.0.0.1:" + std::to_string(port_) + "/weir?sslmode=" + sslmode;
  }

 private:
  void serve() const {
    bool crash = false;
    for (int one = accept(listener_, nullptr, nullptr); one >= 0;
         one = accept(listener_, nullptr, nullptr)) {
      char said[512];
      const bool asked =
          recv(one, said, 8, MSG_WAITALL) == 8 && send(one, "S", 1, MSG_NOSIGNAL) == 1;
      if (asked) static_cast<void>(recv(one, said, sizeof said, 0));
      const linger at_once{.l_onoff = crash ? 1 : 0, .l_linger = 0};
      setsockopt(one, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      close(one);
      crash = !crash;
    }
  }

  std::uint16_t port_ = 0;
  int listener_;
  std::thread serves_;
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
    const context_source hurry{{}, {.timeout = 10s}};
    const auto done = weir::wait(db.ping(hurry.get()));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::server_down) << done.error().to_string();
  }
  EXPECT_TRUE(db.stats().writers.down);
}

TEST_F(postgres_down, a_server_that_dies_in_the_tls_handshake_is_told_as_down_and_not_as_refusing) {
  const dying_port dying;
  for (const char* mode : {"prefer", "require"}) {
    auto& db = open(dying.url(mode), {.max_open = 1});
    for (int i = 0; i < 4; ++i) {
      const context_source hurry{{}, {.timeout = 10s}};
      const auto done = weir::wait(db.ping(hurry.get()));
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().code(), errc::server_down) << done.error().to_string();
    }
  }
}

}  // namespace
}  // namespace weir
