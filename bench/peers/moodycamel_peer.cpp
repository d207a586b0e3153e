// The floor of a buffered channel: moodycamel::ConcurrentQueue with tokens, one
// thread to one thread. It has no waiting, closing, bound or cancellation.

#include <concurrentqueue/concurrentqueue.h>

#include "peer.hpp"

namespace {

void one_to_one(const std::string& row) {
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               moodycamel::ConcurrentQueue<std::size_t> queue(n);
               std::thread producer([&] {
                 moodycamel::ProducerToken token(queue);
                 for (std::size_t i = 0; i < n; ++i) queue.enqueue(token, i);
               });
               moodycamel::ConsumerToken token(queue);
               std::size_t value = 0;
               for (std::size_t received = 0; received < n;) {
                 if (queue.try_dequeue(token, value)) {
                   ++received;
                 } else {
                   std::this_thread::yield();
                 }
               }
               producer.join();
             }));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, "moodycamel::ConcurrentQueue",
                   {{"moodycamel.buffered", one_to_one}});
}
