#pragma once
// The operations that a replica has made durable: a write-ahead log on its disk, and the same in memory.
#include "operation.hpp"

#include <weft/runtime/disk.hpp>
#include <weft/runtime/sync.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace counter {

class journal {
 public:
  journal(weft::loop& l, weft::disk& d, flaw planted) : loop_{l}, disk_{d}, flaw_{planted}, work_{l}, progress_{l} {}

  // Reads the log, and cuts off what a crash has left half written.
  weft::task<weft::result<>> recover();
  // Writes what add() hands over, in batches: one sync for all that came meanwhile. Runs as long as the replica.
  weft::task<void> run();

  // Returns once all of them are durable; those that are already cost nothing.
  weft::task<weft::result<>> add(weft::context ctx, std::vector<operation> operations);
  [[nodiscard]] std::vector<operation> all() const;

 private:
  void apply(std::string_view log, std::size_t& valid);

  weft::loop& loop_;
  weft::disk& disk_;
  flaw flaw_;
  std::unique_ptr<weft::file> file_;
  std::map<std::string, std::int64_t> durable_;  // amount by id: an operation counts once, however often it arrives
  std::vector<operation> waiting_;
  std::uint64_t tickets_ = 0, done_ = 0;  // of the operations handed over, and of those durable
  weft::event work_, progress_;
};

}  // namespace counter
