#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weir/sql/driver.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>

#include "postgres/merge.hpp"
#include "postgres/pump_queue.hpp"
#include "postgres/types.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {

/// One statement of one caller. Held by the caller and, from `submit` until it is answered, by the
/// line: the caller may leave before.
///
///   queued ──► taken ──► sent ──► answered
///     │ the caller leaves
///     └──► gone, and never sent
struct line_request : pumped {
  line_request(sql::statement_text&& text_, sql::arguments&& values_) noexcept
      : text(std::move(text_)), values(std::move(values_)) {}

  sql::statement_text text;
  sql::arguments values;
  sql::reply reply;
  std::optional<error> failed;

  bool renewed = false;          // sent again, since its statement had to be prepared anew
  std::uint8_t connections = 0;  // that were lost before it was sent
  std::size_t bytes = 0;         // on the wire
};

/// One connection of a lane. A task, the pump, runs on it while anything is queued or unanswered,
/// and alone touches the connection; callers queue and wait.
///
/// A statement that may write has a Sync of its own, and so is a transaction and an error of its
/// own. Reads that are sent together share a Sync, which saves the server most of what a small read
/// costs; answers count when the Sync has come, and if one of them fails, the others are sent
/// again. Plain ones of the same text are one statement besides (`merged_text`).
///
/// The pump takes from the queue only what it may send at once, so that what waits longer can still
/// be taken back by its caller.
class line : public std::enable_shared_from_this<line> {
 public:
  line(std::shared_ptr<server> at, const sql::lane_limits& limits);
  ~line();
  line(const line&) = delete;
  line& operator=(const line&) = delete;

  /// Requires: `reserve` has just counted it.
  result<void> submit(const std::shared_ptr<line_request>& one);
  [[nodiscard]] bool reserve(std::size_t seen) noexcept { return queue_.reserve(seen); }
  /// Its caller waits no more. True: it has been sent, or is about to be.
  bool abandon(line_request& one) noexcept { return queue_.abandon(one); }
  [[nodiscard]] std::size_t load() const noexcept { return queue_.load(); }

  void begin_close() noexcept;
  task<void> close(context ctx);

 private:
  struct prepared {
    std::string text;
    std::string name;
    description what;
    bool ready = false;
    bool reads = false;       // may share a Sync
    std::uint32_t apart = 0;  // so many times not, after an error
    enum class merging : std::uint8_t { no, possible, asked, ready } merge = merging::no;
    std::string merged;                                  // the text, and then its name
    std::uint32_t unmerged = 0;                          // so many times not, after an error,
    std::uint32_t next_unmerged = 256;                   // and after the next one
    std::vector<std::shared_ptr<line_request>> waiting;  // until it is described
  };
  /// Shared with the answers; a description never changes.
  [[nodiscard]] static sql::column_names names_of(const std::shared_ptr<prepared>& s) noexcept {
    return std::shared_ptr<const sql::column_names::list>{s, &s->what.columns};
  }
  using requests = std::vector<std::shared_ptr<line_request>>;
  /// One command: for one caller, or a merged one for many.
  struct unit {
    std::shared_ptr<prepared> statement;
    std::shared_ptr<line_request> request;
    requests merged;

    template <class F>
    void each(F f) const {
      if (request != nullptr) f(request);
      for (const auto& one : merged) f(one);
    }
  };
  /// Executions of one statement that may become one.
  struct gathering {
    std::shared_ptr<prepared> statement;
    requests of;
    merged_parameters parameters;
  };
  /// What one Sync ends: executions, a preparation (no units), or a clearing (neither).
  struct flight {
    std::vector<unit> units;
    std::shared_ptr<prepared> preparation;
    bool of_merged = false;  // the preparation of what does many of its executions
    std::size_t at = 0;      // the command whose answer comes next
    std::optional<error> failed;
    std::size_t failed_at = 0;
    bool stale = false;   // the statement that failed has to be prepared anew
    bool shared = false;  // of reads
  };

  task<void> pump(std::shared_ptr<line> self);
  task<void> hurry();
  bool ended();
  task<bool> connected();
  void take_and_send();
  [[nodiscard]] bool worth_sending() const noexcept;
  std::shared_ptr<line_request> take() noexcept;
  [[nodiscard]] const std::shared_ptr<prepared>& statement_of(std::string_view text);
  void send(std::shared_ptr<line_request> one, const std::shared_ptr<prepared>& statement);
  void execute(const prepared& statement);
  [[nodiscard]] bool gather(const std::shared_ptr<line_request>& one,
                            const std::shared_ptr<prepared>& statement);
  void send_gathered();
  void seal();
  void prepare_merged(const std::shared_ptr<prepared>& statement);
  void forget_statements();
  void receive();
  void answer(flight& front, pg_result r);
  void answer_merged(flight& front, const PGresult* r);
  void landed(flight done);
  void prepared_landed(flight done);
  void failed_landed(flight done, const error& why);
  task<void> wait();
  void finish(const std::shared_ptr<line_request>& one);
  void refuse(const std::shared_ptr<line_request>& one, error why);
  void refuse_queued(const error& why);
  void lose_connection();

  const std::shared_ptr<server> server_;
  const sql::lane_limits limits_;
  context_source source_;
  channel<char> poke_{1};  // tells a pump that waits of something in the queue
  pump_queue queue_;
  event quiet_;  // closed, and the pump has ended

  // The pump's, and of whoever closes while none runs.
  std::unique_ptr<wire> wire_;
  std::unordered_map<std::string_view, std::shared_ptr<prepared>> statements_;
  flight open_;                           // reads that are queued in libpq and have no Sync yet,
  std::vector<gathering> gathered_;       // and those that are still to be,
  std::size_t unsealed_ = 0;              // callers in both
  std::deque<flight> flights_;            // in the order of their Syncs
  std::vector<std::vector<unit>> spare_;  // memory of flights that have landed
  encoded parameters_;
  std::deque<std::shared_ptr<line_request>> again_;  // taken, and to be sent anew
  std::size_t shared_ = 0;                           // flights of reads
  std::size_t units_ = 0;                            // in flight, the open ones too,
  std::size_t bytes_ = 0;                            // and what they take
  bool answered_ = false;                            // somebody, since the last look at the queue
  std::uint64_t names_ = 0;
};

}  // namespace weir::postgres
