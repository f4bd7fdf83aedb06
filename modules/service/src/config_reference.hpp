#pragma once
// Values that stand elsewhere: "${env:NAME}" and "${file:/run/secrets/key}", as the whole of a value. One more
// dollar sign, "$${text}", is the text "${text}".
#include "config_node.hpp"

#include <weft/service/config.hpp>

#include <expected>
#include <string>
#include <vector>

namespace weft::service::detail {

// A file's text; the error is a sentence.
[[nodiscard]] std::expected<std::string, std::string> read_text_file(const std::string& path, std::size_t max_bytes);

// The text that is read as this one.
[[nodiscard]] std::string escape_reference(std::string text);

void resolve_references(config_node& root, const config_sources& sources, std::vector<config_problem>& problems);

}  // namespace weft::service::detail
