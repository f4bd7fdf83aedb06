#pragma once
// What git says.
//
//     WEFT_TRY(auto text, git({"show", "HEAD:./schemas.json"}));
//
// Blocking; no shell in between.
#include <weft/base/error.hpp>

#include <string>
#include <vector>

namespace weft::cli {

// Its standard output. errc::failed_precondition with what it said on standard error when it fails;
// errc::resource_exhausted beyond 64 MiB.
[[nodiscard]] result<std::string> git(std::vector<std::string> arguments);

}  // namespace weft::cli
