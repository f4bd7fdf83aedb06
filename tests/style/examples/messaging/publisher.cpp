extern order_placed event, order, a;
inline constexpr messaging::topic<order_placed> reminder{"orders.reminder"};
