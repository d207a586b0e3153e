#pragma once

/// Names for clang's thread-safety analysis (-Wthread-safety). They expand to nothing on other
/// compilers and never change layout or behaviour.

#if defined(__clang__)
#define WEIR_TS_ATTRIBUTE(x) __attribute__((x))
#else
#define WEIR_TS_ATTRIBUTE(x)
#endif

#define WEIR_CAPABILITY(name) WEIR_TS_ATTRIBUTE(capability(name))
#define WEIR_SCOPED_CAPABILITY WEIR_TS_ATTRIBUTE(scoped_lockable)
#define WEIR_GUARDED_BY(lock) WEIR_TS_ATTRIBUTE(guarded_by(lock))
#define WEIR_REQUIRES(...) WEIR_TS_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define WEIR_EXCLUDES(...) WEIR_TS_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define WEIR_ACQUIRE(...) WEIR_TS_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define WEIR_RELEASE(...) WEIR_TS_ATTRIBUTE(release_capability(__VA_ARGS__))
#define WEIR_TRY_ACQUIRE(...) WEIR_TS_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define WEIR_RETURN_CAPABILITY(lock) WEIR_TS_ATTRIBUTE(lock_returned(lock))
#define WEIR_NO_THREAD_SAFETY_ANALYSIS WEIR_TS_ATTRIBUTE(no_thread_safety_analysis)
