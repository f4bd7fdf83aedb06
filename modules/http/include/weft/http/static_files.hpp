#pragma once
// Files of a folder.
//
//     routes.get("/assets/{path*}", static_files(loop, "/srv/assets", {.cache_control = "max-age=3600"}));
//
// The file is what the route's parameter `path` names, else the request's path. Nothing outside the folder is
// reachable, by "..", encoded or not, or by a symbolic link that leads out; files and folders whose name begins with a
// dot are hidden; all of that is answered 404. A folder answers with its index file, or 404: nothing is listed. A
// folder asked for without a slash at the end is redirected to the one with it.
//
// ETag and Last-Modified, answered to with 304 (RFC 9110 13.1.2, 13.1.3), or with 412 to If-Match and
// If-Unmodified-Since of another version (13.1.1, 13.1.4); a single byte range with 206 or 416, under
// If-Range as well; several ranges with the whole. HEAD is as GET without content. Files are read in pieces, as the
// client takes them, by the loop's pool of threads.
#include <weft/http/message.hpp>
#include <weft/runtime/loop.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace weft::http {

struct static_files_options {
  std::string index = "index.html";  // empty: folders are answered 404
  std::string cache_control;         // the field's value; empty: none
  enum class dot_files : std::uint8_t { hidden, served };
  dot_files hidden_files = dot_files::hidden;
  std::size_t piece_bytes = 128 << 10;  // read at a time
};

// Throws std::invalid_argument when `root` cannot be opened as a folder. The folder stays open as long as the handler.
[[nodiscard]] handler static_files(loop& l, const std::filesystem::path& root, static_files_options options = {});

// The media type for a file name's ending, "application/octet-stream" for one that is not known.
[[nodiscard]] std::string_view media_type_of(std::string_view file_name) noexcept;

}  // namespace weft::http
