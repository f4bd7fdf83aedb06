#include <weft/runtime/sync.hpp>
struct permit_holder {
  explicit permit_holder(semaphore& s);
  ~permit_holder();
};
