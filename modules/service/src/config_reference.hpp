#pragma once
// Values that stand elsewhere: "${env:NAME}" and "${file:/run/secrets/key}", as the whole of a value or anywhere in it:
// "postgres://market:${env:DB_PASSWORD}@db/market". What they stand for is taken as it is. One more dollar sign,
// "$${text}", is the text "${text}". A "${" that is neither is a problem, and so is a reference in a name.
#include "config_node.hpp"

#include <weft/service/config.hpp>

#include <expected>
#include <string>
#include <vector>

namespace weft::service::detail {

// A file's text; the error is a sentence.
[[nodiscard]] std::expected<std::string, std::string> read_text_file(const std::string& path, std::size_t max_bytes);

// The text that is read as `text`: with one more dollar sign before each "${".
[[nodiscard]] std::string escape_reference(std::string text);

void resolve_references(config_node& root, const config_sources& sources, std::vector<config_problem>& problems);

}  // namespace weft::service::detail
