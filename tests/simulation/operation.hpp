#pragma once
// What the counter's services say to each other, and the bugs that may be planted in them.
#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace counter {

// One increment. Its id is the client's, the same for every try.
struct operation {
  std::string id;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(operation, (), (id, amount))

struct operations {
  std::vector<operation> operations;
};
BOOST_DESCRIBE_STRUCT(operations, (), (operations))

struct reading {
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(reading, (), (value))

enum class flaw : std::uint8_t {
  none,
  acknowledges_before_sync,  // an increment is acknowledged when it is written, not when it is durable
  minority_is_enough,        // a coordinator does not wait for a majority of the replicas
  reads_without_write_back,  // a reader may see an increment that the next reader misses
  trusts_torn_records,       // recovery takes what a crash has half written for whole
};

}  // namespace counter
