#pragma once
// A file that says where the service listens, for scripts and tests that let it choose its ports.
#include <weft/service/application.hpp>

namespace weft::service {

// {"name":"users","pid":4711,"listeners":[{"name":"users","url":"http://127.0.0.1:40123"}]}, written whole or not at
// all.
result<> write_ready_file(const std::string& path, std::string_view name, const std::vector<bound_listener>& listeners);

}  // namespace weft::service
