#pragma once

#include <string>

namespace weir {

/// What the running task is busy with, for snapshots and shutdown reports: "waiting for peer 7".
/// The next note replaces it; an empty one takes it back.
///
/// Does nothing outside the tasks of a stopper. Thread safety: from within the task.
/// Cost: an allocation and a short lock.
///
///     weir::note("waiting for peer " + std::to_string(peer));
void note(std::string text);

}  // namespace weir
