#include <weir/context/on_cancel.hpp>
#include <weir/context/stop_token.hpp>

namespace weir {

struct context_stop_source::bridge {
  struct request {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  context_hook<request> hook;
};

context_stop_source::context_stop_source(const context& ctx)
    : bridge_(new bridge{.hook = {ctx, context_level::cancelled, bridge::request{&source_}}}) {}

context_stop_source::~context_stop_source() = default;

struct stop_token_context::bridge {
  struct cancel {
    context_source* source;
    void operator()() const noexcept {
      source->cancel(error{errc::cancelled, "a std::stop_token was told to stop"});
    }
  };
  std::stop_callback<cancel> callback;
};

stop_token_context::stop_token_context(std::stop_token token, const context& parent)
    : source_(parent),
      bridge_(new bridge{.callback = std::stop_callback<bridge::cancel>{
                             std::move(token), bridge::cancel{&source_}}}) {}

stop_token_context::~stop_token_context() = default;

}  // namespace weir
