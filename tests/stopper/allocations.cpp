// The counter of tests/core, linked into this program too.
#include <core/allocations.cpp>
