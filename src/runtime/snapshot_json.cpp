#include <cstdio>
#include <string_view>

#include <weir/runtime/snapshot.hpp>

namespace weir {
namespace {

/// How many of the bytes at the front of `text` are one well-formed character; 0: none.
std::size_t character(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  // The second byte's range keeps overlong forms, surrogates and what is past U+10FFFF out.
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return length;
}

void add_quoted(std::string& into, std::string_view text) {
  into += '"';
  while (!text.empty()) {
    const std::size_t length = character(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0) {
      into += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (first == '"' || first == '\\') {
      into += '\\';
      into += text.front();
    } else if (first < 0x20 || first == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(first));
      into += escaped;
    } else {
      into += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  into += '"';
}

/// Members of one object or elements of one array; the commas are its business.
class scope {
 public:
  scope(std::string& into, char opens, char closes) : into_(into), closes_(closes) {
    into_ += opens;
  }
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  ~scope() { into_ += closes_; }

  void next() {
    if (!first_) into_ += ',';
    first_ = false;
  }
  std::string& key(std::string_view name) {
    next();
    add_quoted(into_, name);
    into_ += ':';
    return into_;
  }
  void text(std::string_view name, std::string_view value) { add_quoted(key(name), value); }
  void number(std::string_view name, std::uint64_t value) { key(name) += std::to_string(value); }
  void time(std::string_view name, duration value) { key(name) += std::to_string(value.count()); }
  void site(std::source_location where) {
    text("file", where.file_name());
    number("line", where.line());
  }

 private:
  std::string& into_;
  const char closes_;
  bool first_ = true;
};

void add(std::string& into, const snapshot_task& task, bool with_site) {
  scope one{into, '{', '}'};
  one.text("name", task.name);
  if (with_site) one.site(task.site);
  one.time("age_ns", task.age);
  one.text("phase", task.phase);
  if (task.cancelled_for) one.time("cancelled_for_ns", *task.cancelled_for);
  if (!task.note.empty()) one.text("note", task.note);
}

void add(std::string& into, const time_histogram& times) {
  scope one{into, '{', '}'};
  one.number("count", times.count);
  one.time("mean_ns", times.mean());
  one.time("longest_ns", times.longest);
  scope below{one.key("below"), '[', ']'};
  for (const std::uint64_t count : times.below) {
    below.next();
    into += std::to_string(count);
  }
}

void add(std::string& into, const snapshot_entry& entry, bool with_site) {
  scope one{into, '{', '}'};
  one.text("kind", entry.kind);
  one.text("name", entry.name);
  one.site(entry.site);
  if (!entry.has_figures) {
    one.text("text", entry.text);
    return;
  }
  one.text("phase", entry.phase);
  one.time("age_ns", entry.age);
  one.number("running", entry.running);
  one.number("started", entry.started);
  one.number("refused", entry.refused);
  one.number("throttled", entry.throttled);
  if (entry.oldest) one.time("oldest_ns", *entry.oldest);
  add(one.key("exits"), entry.exits);
  scope tasks{one.key("tasks"), '[', ']'};
  for (const snapshot_task& task : entry.tasks) {
    tasks.next();
    add(into, task, with_site);
  }
}

}  // namespace

std::string snapshot::to_json() const {
  std::string into;
  {
    scope all{into, '{', '}'};
    all.text("runtime", runtime);
    {
      scope workers{all.key("held_workers"), '[', ']'};
      for (const held_worker& each : held) {
        workers.next();
        scope one{into, '{', '}'};
        one.number("worker", each.worker);
        one.text("task", each.task);
        one.site(each.site);
        one.time("held_ns", each.held);
      }
    }
    scope list{all.key("entries"), '[', ']'};
    for (const snapshot_entry& entry : entries) {
      list.next();
      add(into, entry, detail == snapshot_detail::sites);
    }
  }
  return into;
}

}  // namespace weir
