// What a line sends and what comes back.

#include <algorithm>
#include <utility>

#include "postgres/line.hpp"

namespace weir::postgres {
namespace {

/// More texts than this are no fixed set of statements: they are forgotten all at once.
constexpr std::size_t most_statements = 512;

/// Reads under one Sync: more would only make the first wait longer for its answer.
constexpr std::size_t most_together = 64;
/// So many flights of reads at once: the server works on one while the next is on its way. What
/// comes meanwhile waits and shares the one after; sent at once, each would be a flight of its own.
constexpr std::size_t most_shared = 2;
/// Reads that wait beside a flight, for which another one is worth its Sync. With fewer, two small
/// flights would chase each other, where one of both is cheaper.
constexpr std::size_t worth_a_sync = 32;
/// Whoever has just failed is likely to fail again, and is kept from taking others with it.
constexpr std::uint32_t apart_after_error = 64;
/// Executions that cost more one by one than as one statement of many.
constexpr std::size_t worth_merging = 4;
/// Larger parameters gain nothing by being copied.
constexpr std::size_t most_merged_bytes = 4'096;
constexpr std::uint32_t longest_unmerged = 1U << 20U;

/// A statement that gives the same whether or not it is run again after an error of another. What
/// only looks like one (a function that writes) is rolled back with that error, and run again too.
bool is_read(std::string_view text) noexcept {
  const auto begin = text.find_first_not_of(" \t\r\n(");
  if (begin == std::string_view::npos) return false;
  const std::string_view word = text.substr(begin, 6);
  static constexpr std::string_view wanted = "SELECT";
  return word.size() == wanted.size() &&
         std::equal(word.begin(), word.end(), wanted.begin(),
                    [](char c, char w) { return (c & ~0x20) == w; });
}

}  // namespace

/// What waits goes when nothing is on its way that it could have shared a Sync with, or when there
/// is enough of it.
bool line::worth_sending() const noexcept {
  if (shared_ == 0 || unsealed_ != 0) return shared_ < most_shared;
  return shared_ < most_shared && queue_.load() >= units_ + worth_a_sync;
}

std::shared_ptr<line_request> line::take() noexcept {
  if (units_ >= limits_.depth || bytes_ >= limits_.bytes || !worth_sending()) return nullptr;
  if (!again_.empty()) {
    auto first = std::move(again_.front());
    again_.pop_front();
    return first;
  }
  return std::static_pointer_cast<line_request>(queue_.take());
}

void line::take_and_send() {
  if (statements_.size() > most_statements) {
    if (!flights_.empty()) return;
    forget_statements();
  }
  while (!wire_->dead() && statements_.size() <= most_statements) {
    auto one = take();
    if (one == nullptr) break;
    const auto& statement = statement_of(one->text.view());
    if (statement->ready) {
      send(std::move(one), statement);
    } else {
      statement->waiting.push_back(std::move(one));
    }
  }
  seal();
}

/// Gives the reads that were queued their Sync.
void line::seal() {
  std::shared_ptr<prepared> more;
  for (const gathering& one : gathered_) {
    const bool worth = one.of.size() >= worth_merging;
    if (worth && one.statement->merge == prepared::merging::possible) more = one.statement;
  }
  send_gathered();
  if (open_.units.empty()) return;
  if (!wire_->sync()) wire_->kill();
  open_.shared = open_.units.front().statement->reads;
  if (open_.shared) ++shared_;
  unsealed_ = 0;
  flights_.push_back(std::exchange(open_, {}));
  if (!spare_.empty()) {
    open_.units = std::move(spare_.back());
    spare_.pop_back();
  }
  if (more != nullptr) prepare_merged(more);
}

/// False: it is to be sent by itself.
bool line::gather(const std::shared_ptr<line_request>& one,
                  const std::shared_ptr<prepared>& statement) {
  if (statement->merge == prepared::merging::no || one->bytes > most_merged_bytes) return false;
  if (statement->unmerged != 0) {
    --statement->unmerged;
    return false;
  }
  auto to = std::find_if(gathered_.begin(), gathered_.end(),
                         [&](const gathering& g) { return g.statement == statement; });
  if (to == gathered_.end()) {
    gathered_.push_back({statement, {}, {}});
    to = gathered_.end() - 1;
    to->parameters.start(statement->what);
  }
  if (!to->parameters.add(parameters_)) return false;
  to->of.push_back(one);
  return true;
}

void line::send_gathered() {
  for (gathering& one : std::exchange(gathered_, {})) {
    const prepared& s = *one.statement;
    if (one.of.size() >= worth_merging && s.merge == prepared::merging::ready) {
      merged_parameters& p = one.parameters;
      p.end();
      if (PQsendQueryPrepared(wire_->raw(), s.merged.c_str(), p.count(), p.pointers(), p.lengths(),
                              p.formats(), s.what.binary ? 1 : 0) != 1) {
        wire_->kill();
      }
      open_.units.push_back({one.statement, nullptr, std::move(one.of)});
      continue;
    }
    for (auto& request : one.of) {
      // Its parameters were found to fit when it was gathered.
      static_cast<void>(parameters_.encode(request->values.values(), s.what));
      execute(s);
      open_.units.push_back({one.statement, std::move(request), {}});
    }
  }
}

/// With the parameters that were encoded last.
void line::execute(const prepared& statement) {
  if (PQsendQueryPrepared(wire_->raw(), statement.name.c_str(), parameters_.size(),
                          parameters_.pointers(), parameters_.lengths(), parameters_.formats(),
                          statement.what.binary ? 1 : 0) != 1) {
    wire_->kill();
  }
}

void line::prepare_merged(const std::shared_ptr<prepared>& statement) {
  std::vector<Oid> arrays;
  for (const Oid type : statement->what.parameters) arrays.push_back(array_of(type).value_or(0));
  const std::string text =
      std::exchange(statement->merged, "weir_lane_" + std::to_string(++names_));
  const bool queued = PQsendPrepare(wire_->raw(), statement->merged.c_str(), text.c_str(),
                                    static_cast<int>(arrays.size()), arrays.data()) == 1 &&
                      wire_->sync().has_value();
  if (!queued) wire_->kill();
  statement->merge = prepared::merging::asked;
  flight preparation;
  preparation.preparation = statement;
  preparation.of_merged = true;
  flights_.push_back(std::move(preparation));
}

const std::shared_ptr<line::prepared>& line::statement_of(std::string_view text) {
  if (const auto found = statements_.find(text); found != statements_.end()) return found->second;
  seal();
  auto made = std::make_shared<prepared>();
  made->text = text;
  made->name = "weir_lane_" + std::to_string(++names_);
  made->reads = is_read(text);
  const auto& kept = statements_.emplace(made->text, made).first->second;
  const bool queued =
      PQsendPrepare(wire_->raw(), made->name.c_str(), made->text.c_str(), 0, nullptr) == 1 &&
      PQsendDescribePrepared(wire_->raw(), made->name.c_str()) == 1 && wire_->sync().has_value();
  if (!queued) wire_->kill();
  flight preparation;
  preparation.preparation = std::move(made);
  flights_.push_back(std::move(preparation));
  return kept;
}

void line::send(std::shared_ptr<line_request> one, const std::shared_ptr<prepared>& statement) {
  const auto no_names = [](std::string_view) { return std::optional<std::size_t>{}; };
  if (auto fits = one->values.arrange(statement->what.parameters.size(), no_names); !fits) {
    return refuse(one, std::move(fits.error()));
  }
  if (auto fits = parameters_.encode(one->values.values(), statement->what); !fits) {
    return refuse(one, std::move(fits.error()));
  }
  const bool apart = !statement->reads || statement->apart != 0;
  if (statement->apart != 0) --statement->apart;
  if (apart) seal();
  one->bytes = parameters_.size_bytes() + 64;
  bytes_ += one->bytes;
  ++units_;
  ++unsealed_;
  if (apart || !gather(one, statement)) {
    execute(*statement);
    open_.units.push_back({statement, std::move(one), {}});
  }
  if (apart || unsealed_ >= most_together) seal();
}

void line::forget_statements() {
  statements_.clear();
  const bool queued = PQsendQueryParams(wire_->raw(), "DEALLOCATE ALL", 0, nullptr, nullptr,
                                        nullptr, nullptr, 0) == 1 &&
                      wire_->sync().has_value();
  if (!queued) wire_->kill();
  flights_.emplace_back();
}

void line::receive() {
  PGconn* const raw = wire_->raw();
  while (!flights_.empty() && PQisBusy(raw) == 0) {
    pg_result r{PQgetResult(raw)};
    if (PQstatus(raw) != CONNECTION_OK) return wire_->kill();
    if (r == nullptr) {
      ++flights_.front().at;
    } else if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) {
      wire_->synced();
      flight done = std::move(flights_.front());
      flights_.pop_front();
      landed(std::move(done));
    } else {
      answer(flights_.front(), std::move(r));
    }
  }
  if (!wire_->dead()) seal();
}

void line::answer(flight& front, pg_result r) {
  const ExecStatusType status = PQresultStatus(r.get());
  const auto fail_here = [&](error why) {
    front.failed = std::move(why);
    front.failed_at = front.at;
  };
  switch (status) {
    case PGRES_PIPELINE_ABORTED:
      return;
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
      if (front.failed) return;
      front.stale = !front.units.empty() && wants_new_plan(r.get());
      return fail_here(server_error(r.get()));
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      fail_here(sql::with_outcome(
          error{errc::unsupported, "COPY from or to the client goes through the native handle"},
          sql::outcome::refused));
      return wire_->kill();
    default:
      break;
  }
  if (front.units.empty()) {
    if (front.preparation != nullptr && !front.of_merged && front.at == 1) {
      front.preparation->what = description::of(r.get());
    }
    return;
  }
  if (front.at >= front.units.size()) return;
  const unit& one = front.units[front.at];
  if (one.request == nullptr) return answer_merged(front, r.get());
  sql::reply& reply = one.request->reply;
  reply.done.rows_affected = rows_affected(r.get());
  if (status != PGRES_TUPLES_OK) return;
  const description& what = one.statement->what;
  reply.names = names_of(one.statement);
  reply.rows.start(what.columns.size());
  const int rows = PQntuples(r.get());
  reply.rows.reserve(static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    if (auto added = add_row(reply.rows, r.get(), row, what); !added) {
      one.request->failed = std::move(added.error());
      return;
    }
  }
}

/// The rows of many executions, each with the number of its own in front.
void line::answer_merged(flight& front, const PGresult* r) {
  const unit& one = front.units[front.at];
  const description& what = one.statement->what;
  const sql::column_names names = names_of(one.statement);
  for (const auto& request : one.merged) {
    request->reply.names = names;
    request->reply.rows.start(what.columns.size());
  }
  const int rows = PQntuples(r);
  for (int row = 0; row < rows; ++row) {
    const auto number = execution_of(r, row);
    if (!number || *number == 0 || *number > one.merged.size() ||
        PQnfields(r) != static_cast<int>(what.columns.size()) + 1) {
      front.failed = error{errc::corrupt, "the server's answer to several reads at once is odd"};
      front.failed_at = front.at;
      return;
    }
    line_request& request = *one.merged[*number - 1];
    ++request.reply.done.rows_affected;
    if (request.failed) continue;
    if (auto added = add_row(request.reply.rows, r, row, what, 1); !added) {
      request.failed = std::move(added.error());
    }
  }
}

void line::landed(flight done) {
  if (done.units.empty()) return prepared_landed(std::move(done));
  if (done.shared) --shared_;
  for (const unit& one : done.units) {
    one.each([this](const auto& request) {
      --units_;
      bytes_ -= request->bytes;
    });
  }
  if (auto why = std::exchange(done.failed, std::nullopt)) {
    return failed_landed(std::move(done), *std::move(why));
  }
  for (const unit& one : done.units) {
    one.each([this](const auto& request) { finish(request); });
  }
  if (spare_.size() == most_shared) return;
  done.units.clear();
  spare_.push_back(std::move(done.units));
}

/// One of them failed, and took the transaction that they shared with it: the others are as if they
/// had never been sent, and are sent again, in their order, before what is new.
void line::failed_landed(flight done, const error& why) {
  for (std::size_t i = done.units.size(); i-- > 0;) {
    unit& one = done.units[i];
    const auto send_again = [this](std::shared_ptr<line_request> request) {
      request->failed.reset();
      request->reply.done = {};
      again_.push_front(std::move(request));
    };
    if (one.request == nullptr) {
      // One by one it shows whose error it is.
      if (i == done.failed_at) {
        prepared& s = *one.statement;
        s.unmerged = s.next_unmerged;
        s.next_unmerged = std::min(4 * s.next_unmerged, longest_unmerged);
      }
      while (!one.merged.empty()) {
        send_again(std::move(one.merged.back()));
        one.merged.pop_back();
      }
    } else if (i != done.failed_at) {
      send_again(std::move(one.request));
    } else if (done.stale && !one.request->renewed) {
      // Refused before it did anything: prepared again, under another name.
      one.request->renewed = true;
      const auto known = statements_.find(one.statement->text);
      if (known != statements_.end() && known->second == one.statement) statements_.erase(known);
      again_.push_front(std::move(one.request));
    } else {
      one.statement->apart = apart_after_error;
      refuse(one.request, why);
    }
  }
}

void line::prepared_landed(flight done) {
  if (done.preparation == nullptr) return;
  using merging = prepared::merging;
  if (done.of_merged) {
    done.preparation->merge = done.failed ? merging::no : merging::ready;
    return;
  }
  auto waiting = std::exchange(done.preparation->waiting, {});
  if (done.failed) {
    statements_.erase(done.preparation->text);
    for (const auto& one : waiting) refuse(one, *done.failed);
    return;
  }
  done.preparation->ready = true;
  if (done.preparation->reads && limits_.merge_reads) {
    if (auto text = merged_text(done.preparation->text, done.preparation->what.parameters)) {
      done.preparation->merged = *std::move(text);
      done.preparation->merge = merging::possible;
    }
  }
  for (auto& one : waiting) send(std::move(one), done.preparation);
}

}  // namespace weir::postgres
