#include <weft/messaging/memory_broker.hpp>
#include <weft/service/config.hpp>
struct settings : service::service_settings {
  service::messaging_settings messaging;
};
BOOST_DESCRIBE_STRUCT(settings, (service::service_settings), (messaging))
struct post {};
BOOST_DESCRIBE_STRUCT(post, (), ())
inline constexpr messaging::topic<post> post_created{"posts.created"};
task<result<>> count_post(const context& ctx, const messaging::delivery<post>& d);
extern service::configuration<settings> config;
extern messaging::broker_factory brokers;
