struct ledger {
  task<result<>> record(context ctx, order_placed o);
};
extern ledger& books;
