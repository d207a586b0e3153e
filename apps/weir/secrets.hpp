#pragma once

namespace weir::app {

/// Overwrites the passwords of addresses on the command line, in place: what `ps` shows is that
/// memory. Call it as soon as the arguments are copied; until then they can be seen.
void hide_passwords(int argc, char** argv) noexcept;

}  // namespace weir::app
