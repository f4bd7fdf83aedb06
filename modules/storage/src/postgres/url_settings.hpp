#pragma once
// What a PostgreSQL URL says about the pool rather than to libpq, which refuses parameters it does not know:
// postgres://app@db/shop?connections=4&statements=0&connect_timeout=2s&sslmode=require
#include <weft/storage/postgres.hpp>

namespace weft::storage {

// Moves them from `options.url` into the options. errc::invalid_argument names the parameter, and nothing else.
result<> take_pool_settings(postgres_options& options);

}  // namespace weft::storage
