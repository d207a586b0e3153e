#pragma once

#include <cstdint>
#include <string>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>

namespace weir::sql {

/// Problem: a transaction keeps its locks until its COMMIT is on the disk, so that whoever wants
/// the same row waits for the disk as well, and one after another they use it once each.
///
/// A connection that makes sure of what others have committed without waiting for the disk:
///
///     mark ──► COMMIT that does not wait, on a connection to the mark's server ──► flush
///
/// Guarantees: one flush serves all who asked before it began. It succeeds only if the connection
/// of the mark has lived until then: a server that loses what it had not written loses its
/// connections too, so that nothing was lost in between.
/// Requires: it lives until the tasks of its functions have ended. Thread safety: all members.
/// Source: early lock release and flush pipelining (Johnson, Pandis, Stoica, Athanassoulis,
/// Ailamaki, "Aether: a scalable approach to logging", VLDB 2010), done by the client.
class driver_flusher {
 public:
  virtual ~driver_flusher() = default;

  struct mark {
    std::uint64_t connection = 0;  ///< counts the flusher's connections
    std::string server;            ///< what it is connected to; empty: nobody can tell
  };
  /// Before the transaction begins. Connects when first used, and when the connection was lost.
  virtual task<result<mark>> ready(context ctx) = 0;
  /// After its COMMIT. An error says that it may not have reached the disk.
  virtual task<result<void>> flush(context ctx, std::uint64_t connection) = 0;

  /// Refuses what is new, and disconnects when all is answered. Returns at once.
  virtual void begin_close() noexcept = 0;
  /// The same, and waits for it. What is not answered when `ctx` ends fails.
  virtual task<void> close(context ctx) = 0;
};

}  // namespace weir::sql
