#include <weft/messaging/router.hpp>
struct ledger {
  task<result<>> record(storage::transaction& tx, context ctx, order_placed o);
};
extern ledger& books;
extern messaging::router router;
