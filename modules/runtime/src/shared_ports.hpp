#pragma once
// Ports that several loops of this process listen on together (SO_REUSEPORT). The kernel would let any process of the
// same user join them, and give it a part of the connections without a word: so the first listener of a port binds it
// for itself alone, and only then lets the others of this process in, who are known here. The one thing of the runtime
// that belongs to the process, as ports do; for any thread.
#include <weft/base/error.hpp>
#include <weft/runtime/address.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace weft::detail {

class shared_ports {
 public:
  [[nodiscard]] static shared_ports& of_process();

  // Whether this listener is the first of its port, or joins others.
  enum class place : std::uint8_t { first, joins };
  // Calls `listen`, which gives the address that it got, while nobody else opens or leaves a port.
  result<address> open(const address& at, const std::function<result<address>(place)>& listen);
  // For each listener that was opened, once it is closed.
  void leave(const address& at);

 private:
  std::mutex mutex_;
  std::map<std::string, int> listeners_;  // by address
};

}  // namespace weft::detail
