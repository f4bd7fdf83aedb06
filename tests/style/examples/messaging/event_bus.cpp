struct ledger {
  task<result<>> record(const order_placed& o);
};
extern ledger& books;
extern order_placed event;
