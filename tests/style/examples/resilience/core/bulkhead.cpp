extern bulkhead_waiter& waiter;
