#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/shutdown_plan.hpp>
#include <weir/stopper/signal_shutdown.hpp>

#include "stopper/stopper_core.hpp"

namespace weir {
namespace {

// Different news add different amounts to the one counter, so that nothing but a write is needed:
// each signal its own 16 bits, everything else the rest. (What overflows there is cut off.)
constexpr std::uint64_t one_term = 1;
constexpr std::uint64_t one_int = std::uint64_t{1} << 16U;
constexpr std::uint64_t one_dump = std::uint64_t{1} << 32U;
constexpr std::uint64_t one_news = std::uint64_t{1} << 48U;
constexpr std::uint64_t signal_bits = 0xffff;

// A service manager gives up on who says nothing for `patience`; he hears from us this often.
constexpr duration tell_every = std::chrono::seconds{1};
constexpr duration patience = std::chrono::seconds{5};

// Written before a handler is installed, and then never again.
core::atomic<int> event_fd{-1};
core::atomic<bool> in_use{false};

/// Async-signal-safe.
void add(std::uint64_t amount) noexcept {
  const int saved = errno;
  // Cannot fail but for a counter that is full, and then the thread has enough to read.
  [[maybe_unused]] const auto written = ::write(event_fd.load(), &amount, sizeof amount);
  errno = saved;
}

void on_signal(int number) noexcept {
  add(number == SIGINT ? one_int : number == SIGUSR1 ? one_dump : one_term);
}

void on_news() noexcept {
  add(one_news);
}

std::uint64_t take_all() noexcept {
  std::uint64_t sum = 0;
  if (::read(event_fd.load(), &sum, sizeof sum) != sizeof sum) return 0;
  return sum;
}

void open_event_fd() {
  if (event_fd.load() >= 0) return;
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
  event_fd.store(fd);
}

}  // namespace

class signal_shutdown::watcher {
 public:
  watcher(core::stopper_core& core, const signal_options& options)
      : held_(core),
        core_(core),
        plan_(options.plan),
        manager_(options.tell_manager ? std::make_unique<service_manager>() : nullptr),
        dump_sink_(options.dump_sink != nullptr ? *options.dump_sink : stderr_log()),
        taken_(options.dump_on_usr1 ? numbers.size() : numbers.size() - 1) {
    budgets_ = {.drain = options.drain, .cancel = options.cancel, .close = options.close};
    WEIR_ASSERT(core.time().timers() == nullptr,
                "signal_shutdown needs a stopper on real time: its thread sleeps in poll");
    WEIR_ASSERT(!in_use.exchange(true), "two signal_shutdown objects live at once");
    const lease mine;
    open_event_fd();
    (void)take_all();
    install();
    core_.set_listener(on_news);
    const int failed =
        thread_.start("weir-signals", [](void* self) { static_cast<watcher*>(self)->run(); }, this);
    if (failed != 0) {
      restore();
      throw std::system_error{failed, std::generic_category(), "weir-signals"};
    }
    mine.keep();
  }

  bool tell(std::string_view message) const noexcept {
    return manager_ != nullptr && manager_->send(message);
  }

  ~watcher() {
    restore();
    quit_.store(true);
    on_news();
    thread_.join();
    in_use.store(false);
  }

 private:
  /// Gives the right to handle signals back if the construction fails.
  class lease {
   public:
    lease() noexcept = default;
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() {
      if (!kept_) in_use.store(false);
    }
    void keep() const noexcept { kept_ = true; }

   private:
    mutable bool kept_ = false;
  };

  void install() noexcept {
    struct sigaction taken{};
    taken.sa_handler = on_signal;
    taken.sa_flags = SA_RESTART;
    sigemptyset(&taken.sa_mask);
    for (std::size_t i = 0; i < taken_; ++i) ::sigaction(numbers[i], &taken, &before_[i]);
  }

  void restore() noexcept {
    core_.set_listener(nullptr);
    for (std::size_t i = 0; i < taken_; ++i) ::sigaction(numbers[i], &before_[i], nullptr);
  }

  void run() {
    while (!quit_.load()) {
      const time_point due = core_.advance();
      sleep_until(std::min(due, report_progress()));
      const std::uint64_t news = take_all();
      for (auto n = news & signal_bits; n > 0; --n) obey("SIGTERM", SIGTERM);
      for (auto n = news / one_int & signal_bits; n > 0; --n) obey("SIGINT", SIGINT);
      if ((news / one_dump & signal_bits) != 0) core_.dump(dump_sink_);
    }
  }

  /// To the service manager. Gives when it wants to hear from us again.
  time_point report_progress() {
    if (manager_ == nullptr || !manager_->listens()) return time_point::max();
    const core::stop_progress seen = core_.progress();
    using phase = core::stopper_core::phase;
    if (seen.at == phase::running) return time_point::max();
    const time_point now = core_.time().now();
    if (seen.at == told_ && (now < tell_again_ || seen.at == phase::stopped)) return tell_again_;
    std::string message = told_ == phase::running ? "STOPPING=1\n" : "";
    message += "STATUS=" + std::string{core::name_of(seen.at)} + ", " + std::to_string(seen.left) +
               " left";
    tell_again_ = seen.at == phase::stopped ? time_point::max() : now + tell_every;
    // After the last budget he may have his way.
    if (now < seen.end && seen.at != phase::stopped) {
      const auto more = std::chrono::duration_cast<std::chrono::microseconds>(patience);
      message += "\nEXTEND_TIMEOUT_USEC=" + std::to_string(more.count());
    }
    told_ = seen.at;
    (void)tell(message);
    return tell_again_;
  }

  /// Until there is something to read, or the stop has something to do.
  void sleep_until(time_point next) noexcept {
    pollfd readable{.fd = event_fd.load(), .events = POLLIN, .revents = 0};
    // Here our signals arrive even if the program has blocked them in every thread, and no others.
    sigset_t others;
    sigfillset(&others);
    for (std::size_t i = 0; i < taken_; ++i) sigdelset(&others, numbers[i]);
    if (next == time_point::max()) {
      ::ppoll(&readable, 1, nullptr, &others);
      return;
    }
    const auto left = std::max(next - core_.time().now(), duration::zero());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec limit{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds{left - seconds}.count()};
    ::ppoll(&readable, 1, &limit, &others);
  }

  void obey(const char* name, int number) {
    switch (++signals_) {
      case 1: {
        if (plan_ != nullptr) {
          plan_->begin(name, number);
          return;
        }
        core::stop_request request{shutdown_origin::signal, name, {}};
        request.signal = number;
        request.budgets = budgets_;
        core_.begin(request);
        return;
      }
      case 2:
        if (plan_ != nullptr) plan_->hurry();
        core_.hurry();
        return;
      default:
        break;
    }
    const shutdown_report report = core_.make_report();
    const std::string text = report.to_string();
    // Not through stdio: a task that is stuck may hold its lock.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    report.exit();
  }

  static constexpr std::array numbers{SIGTERM, SIGINT, SIGUSR1};  // the last one if wanted

  const core::gate_reference held_;
  core::stopper_core& core_;
  shutdown_plan* const plan_;
  const std::unique_ptr<service_manager> manager_;
  log_sink& dump_sink_;
  const std::size_t taken_;  // of `numbers`
  stop_options budgets_;
  std::array<struct sigaction, numbers.size()> before_{};
  core::atomic<bool> quit_{false};
  core::thread thread_;
  // The thread's:
  int signals_ = 0;
  core::stopper_core::phase told_ = core::stopper_core::phase::running;
  time_point tell_again_{};
};

signal_shutdown::signal_shutdown(stopper& target, signal_options options)
    : watcher_(std::make_unique<watcher>(target.core(), options)) {}

signal_shutdown::~signal_shutdown() = default;

bool signal_shutdown::ready(std::string_view status) const {
  std::string message = "READY=1";
  if (!status.empty()) message += "\nSTATUS=" + std::string{status};
  return watcher_->tell(message);
}

}  // namespace weir
