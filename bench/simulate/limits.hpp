#pragma once

namespace weir::simulate {

/// Draws what docs/guide/pools.md shows of the adaptive limit, from the limit itself on servers
/// with a knee, in virtual time; prints what the diagrams end in. `plots`: the folder; null: none
/// are made. Throws std::system_error if a diagram cannot be written.
void show_limits(const char* plots);

}  // namespace weir::simulate
