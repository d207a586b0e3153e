#include <memory>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/stopper/note.hpp>

namespace weir {

void note(std::string text) {
  task_record* const running = task_record::current();
  if (running == nullptr) return;
  running->set_note(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text)));
}

}  // namespace weir
