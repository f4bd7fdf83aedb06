#pragma once
// The broker of another process, by way of the admin_routes() that the process offers: for tools.
//
//     brokers.add("http", remote_brokers()).add("https", remote_brokers());
//     auto bus = co_await brokers.open(loop, ctx, "http://:TOKEN@localhost:8080/admin/messaging");
//
// Without a path the URL means /admin/messaging. What it can: publish, follow topics with a group of one's own
// (lifetime::ephemeral; each delivery counts as handled once it was sent), and the administration. Handling messages is
// for the process that has the broker: subscribing with the name of a group is errc::unimplemented.
//
// Errors come back with their code, message and remedy. errc::unavailable, deadline_exceeded: as http::client says.
// Belongs to one loop.
#include <weft/messaging/broker_factory.hpp>

namespace weft::messaging {

[[nodiscard]] broker_opener remote_brokers();

}  // namespace weft::messaging
