// The JSON of the host's settings: much to compile, and so alone.
#include <weft/json/decode.hpp>
#include <weft/service/settings.hpp>

WEFT_JSON_DEFINE_CODEC(weft::service::tls_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::http_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::log_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::health_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::drain_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::tracing_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::management_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::discovery_settings)
WEFT_JSON_DEFINE_CODEC(weft::service::service_settings)
