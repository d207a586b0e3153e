#include <array>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <weir/stopper/signal_shutdown.hpp>

#include "stopper/child.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

/// The manager's end: a datagram socket that the environment names while this lives.
class manager {
 public:
  explicit manager(std::string name) : name_(std::move(name)) {
    sockaddr_un own{};
    own.sun_family = AF_UNIX;
    name_.copy(own.sun_path, sizeof own.sun_path - 1);
    if (name_[0] == '@') own.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&own), length), 0);
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  manager(const manager&) = delete;
  manager& operator=(const manager&) = delete;
  ~manager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(socket_);
    if (name_[0] != '@') ::unlink(name_.c_str());
  }

  /// The next datagram: waits for it.
  std::string hear() const {
    std::array<char, 1024> some{};
    const auto size = ::recv(socket_, some.data(), some.size(), 0);
    return {some.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  }

 private:
  std::string name_;
  int socket_ = -1;
};

std::string path(const char* what) {
  return testing::TempDir() + "weir-" + what + std::to_string(::getpid());
}
std::string abstract(const char* what) {
  return std::string{"@weir-"} + what + std::to_string(::getpid());
}

TEST(service_manager, gets_one_datagram_per_message_on_a_path_or_an_abstract_name) {
  for (const std::string& name : {path("notify"), abstract("notify")}) {
    const manager systemd{name};
    const service_manager to;
    ASSERT_TRUE(to.listens()) << name;
    EXPECT_TRUE(to.send("READY=1\nSTATUS=Serving."));
    EXPECT_TRUE(to.send("STOPPING=1"));
    EXPECT_EQ(systemd.hear(), "READY=1\nSTATUS=Serving.");
    EXPECT_EQ(systemd.hear(), "STOPPING=1");
  }
}

TEST(service_manager, that_is_not_there_or_not_understood_is_told_nothing) {
  EXPECT_FALSE(service_manager{}.listens());
  for (const std::string& name :
       {std::string{}, std::string{"@"}, std::string{"relative"}, std::string(200, '/')}) {
    const service_manager to{name};
    EXPECT_FALSE(to.listens()) << name;
    EXPECT_FALSE(to.send("READY=1"));
  }
  const service_manager gone{path("nobody")};
  EXPECT_TRUE(gone.listens());
  EXPECT_FALSE(gone.send("READY=1"));
}

TEST(service_manager, hears_of_the_start_and_of_each_phase_of_a_stop) {
  const manager systemd{abstract("stop")};
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  const signal_shutdown signals{s, {.drain = 1h, .cancel = 1h}};
  permit held = s.try_enter("held").value();
  EXPECT_TRUE(signals.ready("Serving."));
  EXPECT_EQ(systemd.hear(), "READY=1\nSTATUS=Serving.");
  ::raise(SIGTERM);
  EXPECT_EQ(systemd.hear(), "STOPPING=1\nSTATUS=draining, 1 left\nEXTEND_TIMEOUT_USEC=5000000");
  EXPECT_EQ(systemd.hear(), "STATUS=draining, 1 left\nEXTEND_TIMEOUT_USEC=5000000")
      << "again, before his patience is at its end";
  ::raise(SIGTERM);
  EXPECT_EQ(systemd.hear(), "STATUS=cancelling, 1 left\nEXTEND_TIMEOUT_USEC=5000000");
  held.release();
  std::string last = systemd.hear();
  while (last.starts_with("STATUS=c")) last = systemd.hear();
  EXPECT_EQ(last, "STATUS=stopped, 0 left");
  EXPECT_TRUE(weir::wait(s.stopped()));
}

TEST(service_manager, is_left_alone_if_that_is_wanted) {
  const manager systemd{abstract("alone")};
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  const signal_shutdown signals{s, {.tell_manager = false}};
  EXPECT_FALSE(signals.ready());
}

TEST(dump, on_sigusr1_writes_what_lives_and_changes_nothing) {
  test::child c{[] {
    const test::blocked_signals blocked;
    runtime rt{{.workers = 1, .name = "dumped"}};
    stopper s{rt, {.name = "service", .heartbeat = {}}};
    stopper other{rt, {.name = "other"}};
    const permit first = s.try_enter("waits for nobody").value();
    const signal_shutdown signals{s, {.dump_on_usr1 = true}};
    test::say("ready\n");
    (void)weir::wait(until_draining(s.ctx()));
    return s.running() == 1 ? 0 : 1;
  }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGUSR1);
  EXPECT_TRUE(c.says("weir info: runtime 'dumped': 1 live in 2 stoppers and pools\n"));
  EXPECT_TRUE(c.says("'waits for nobody' for ")) << c.heard();
  EXPECT_TRUE(c.says("stopper 'other': running, 0 live")) << c.heard();
  EXPECT_EQ(c.heard().find("draining"), std::string::npos);
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 0) << c.heard();
}

}  // namespace
}  // namespace weir
