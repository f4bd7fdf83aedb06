#include <weft/amqp/method.hpp>

#include <memory>

namespace weft::amqp {

template <class M>
  requires is_alternative<M, any_method>
method::method(M m) : any_method{std::in_place_type<M>, std::move(m)} {}

template method::method(basic_deliver);
template method::method(basic_ack);
template method::method(basic_publish);
template method::method(basic_nack);
template method::method(basic_return);
template method::method(basic_reject);
template method::method(basic_get_ok);
template method::method(connection_start);
template method::method(connection_start_ok);
template method::method(connection_secure);
template method::method(connection_secure_ok);
template method::method(connection_tune);
template method::method(connection_tune_ok);
template method::method(connection_open);
template method::method(connection_open_ok);
template method::method(connection_close);
template method::method(connection_close_ok);
template method::method(connection_blocked);
template method::method(connection_unblocked);
template method::method(connection_update_secret);
template method::method(connection_update_secret_ok);
template method::method(channel_open);
template method::method(channel_open_ok);
template method::method(channel_flow);
template method::method(channel_flow_ok);
template method::method(channel_close);
template method::method(channel_close_ok);
template method::method(exchange_declare);
template method::method(exchange_declare_ok);
template method::method(exchange_delete);
template method::method(exchange_delete_ok);
template method::method(exchange_bind);
template method::method(exchange_bind_ok);
template method::method(exchange_unbind);
template method::method(exchange_unbind_ok);
template method::method(queue_declare);
template method::method(queue_declare_ok);
template method::method(queue_bind);
template method::method(queue_bind_ok);
template method::method(queue_unbind);
template method::method(queue_unbind_ok);
template method::method(queue_purge);
template method::method(queue_purge_ok);
template method::method(queue_delete);
template method::method(queue_delete_ok);
template method::method(basic_qos);
template method::method(basic_qos_ok);
template method::method(basic_consume);
template method::method(basic_consume_ok);
template method::method(basic_cancel);
template method::method(basic_cancel_ok);
template method::method(basic_get);
template method::method(basic_get_empty);
template method::method(basic_recover_async);
template method::method(basic_recover);
template method::method(basic_recover_ok);
template method::method(tx_select);
template method::method(tx_select_ok);
template method::method(tx_commit);
template method::method(tx_commit_ok);
template method::method(tx_rollback);
template method::method(tx_rollback_ok);
template method::method(confirm_select);
template method::method(confirm_select_ok);

method::method() = default;
method::method(method&& other) noexcept = default;
// Not the variant's own, which is compiled for each alternative once more.
method& method::operator=(method&& other) noexcept {
  if (this == &other) return *this;
  std::destroy_at(this);
  return *std::construct_at(this, std::move(other));
}
method::~method() = default;

}  // namespace weft::amqp
