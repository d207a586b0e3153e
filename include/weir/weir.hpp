#pragma once

/// Everything but the database drivers, which are libraries of their own
/// (`weir/sqlite/sqlite.hpp`). Files that compile often include what they use instead.

#include <weir/context/context.hpp>
#include <weir/context/on_cancel.hpp>
#include <weir/context/select.hpp>
#include <weir/context/shield.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/span.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/error.hpp>
#include <weir/pool/pool.hpp>
#include <weir/retry/batch.hpp>
#include <weir/retry/breaker.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/hedge.hpp>
#include <weir/retry/hooks.hpp>
#include <weir/retry/policy.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/blocking.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/sql/db.hpp>
#include <weir/stopper/note.hpp>
#include <weir/stopper/service_manager.hpp>
#include <weir/stopper/shutdown_plan.hpp>
#include <weir/stopper/signal_shutdown.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>
#include <weir/sync/wait_group.hpp>
#include <weir/version.hpp>
