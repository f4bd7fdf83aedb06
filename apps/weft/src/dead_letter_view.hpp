#pragma once
// Dead letters as text and as JSON.
#include <weft/messaging/broker_admin.hpp>

#include <cstddef>
#include <ostream>
#include <vector>

namespace weft::cli {

// A table, one row each.
void print_dead_letters(std::ostream& out, const std::vector<messaging::dead_letter_entry>& list);
// An array; the bodies are left out.
void write_dead_letters(std::ostream& out, const std::vector<messaging::dead_letter_entry>& list);

// All there is to know about one: why it failed, its headers, its event, its body.
void print_dead_letter(std::ostream& out, const messaging::dead_letter_entry& one, std::size_t max_body_bytes);
void write_dead_letter(std::ostream& out, const messaging::dead_letter_entry& one);

}  // namespace weft::cli
