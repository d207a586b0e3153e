#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include <weir/core/executor.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/runtime/snapshot.hpp>

namespace weir {

/// Something that a report of the whole program should mention: a stopper, a pool. Derive, call
/// `registry::add` when it is ready and `registry::remove` first thing in the destructor.
///
/// The virtual functions are called from the thread that makes a report, between `add` and the end
/// of `remove`, without any lock of the registry: they may take the object's own.
///
/// `debug_` is for debuggers, which call nothing: see tools/gdb/weir.py.
class registry_entry : public core::list_hook {
 public:
  [[nodiscard]] virtual std::string_view kind() const noexcept = 0;  ///< "stopper", "pool"
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual std::string describe() const = 0;  ///< one line or several
  /// Where the program made it.
  [[nodiscard]] virtual std::source_location site() const noexcept { return {}; }
  /// Fills in what it knows; what everybody has is there already.
  virtual void look(snapshot_entry& into, snapshot_detail) const { into.text = describe(); }
  /// Names the task that runs as `item`, if it is one of its own.
  virtual bool find_running(const core::work&, held_worker&) const { return false; }

 protected:
  ~registry_entry() = default;

  struct debug_entry {
    const char* name = nullptr;
    const void* shards = nullptr;  // of live_tasks
    const void* calls = nullptr;   // of live_tasks
  };
  debug_entry debug_;

 private:
  friend class registry;
  std::uint32_t visitors_ = 0;  // reports that are looking at it; guarded by the registry
};

/// Problem: "what is this program doing?" needs a list of what lives, without globals and without
/// locks held while strings are made.
///
/// The live stoppers and pools of one runtime. A report visits one entry at a time and holds no
/// lock meanwhile; `remove` waits for a report that is looking at its entry.
/// Requires: `describe` does not remove entries. Thread safety: all members.
/// Cost: add and remove one short lock each.
class registry {
 public:
  registry() noexcept = default;
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  void add(registry_entry& entry) noexcept;
  /// Afterwards nobody looks at it any more. Blocks while a report does.
  void remove(registry_entry& entry) noexcept;

  struct item {
    std::string kind;
    std::string name;
    std::string description;
    std::source_location site;
  };
  /// What lives now, oldest first.
  [[nodiscard]] std::vector<item> snapshot();
  /// The same with figures and tasks.
  [[nodiscard]] std::vector<snapshot_entry> look(snapshot_detail detail);
  /// Names the task that runs as `item`, whoever knows it.
  void find_running(const core::work& item, held_worker& into);

  [[nodiscard]] bool empty() noexcept;

  /// Begins with a pointer to the first one.
  [[nodiscard]] const void* entries_for_debugger() const noexcept { return &entries_; }

 private:
  registry_entry* visit_next(registry_entry* current) noexcept;
  template <class Visit>
  void visit_all(Visit visit);

  core::mutex mutex_;
  core::intrusive_list<registry_entry> entries_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir
