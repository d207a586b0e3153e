// expect: requires holding mutex 'lock'
// compiler: clang
#include <weir/core/sync/mutex.hpp>

struct account {
  void deposit(int amount) {
#ifdef CONTROL
    const weir::core::lock_guard held{lock};
#endif
    balance += amount;
  }

  weir::core::mutex lock;
  int balance WEIR_GUARDED_BY(lock) = 0;
};
