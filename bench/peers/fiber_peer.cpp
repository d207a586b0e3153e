// Rival: Boost.Fiber's unbuffered channel, both fibers on one thread.

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

#include "peer.hpp"

namespace {

void round_trip(const std::string& row) {
  namespace fibers = boost::fibers;
  fibers::unbuffered_channel<int> ask, answer;
  fibers::fiber echo([&] {
    for (int value : ask) answer.push(value);
  });
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 ask.push(int(i));
                 peer::keep(answer.value_pop());
               }
             }));
  ask.close();
  echo.join();
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, "Boost " BOOST_LIB_VERSION, {{"fiber.unbuffered", round_trip}});
}
