#include "values.hpp"

#include <charconv>
#include <cstring>
#include <memory>

namespace weft::storage {

namespace {

// pg_type.dat; these numbers never change.
constexpr Oid bool_type = 16, bytea_type = 17, int8_type = 20, int2_type = 21, int4_type = 23, float4_type = 700,
              float8_type = 701;
constexpr int text_format = 0, binary_format = 1;

std::string as_text(double number) {
  char room[32];
  const auto end = std::to_chars(room, room + sizeof room, number).ptr;  // "inf" and "nan" are PostgreSQL's words too
  return {room, end};
}

value read_cell(const PGresult* r, int row, int column) {
  if (PQgetisnull(r, row, column) != 0) return null;
  const char* text = PQgetvalue(r, row, column);
  const auto size = static_cast<std::size_t>(PQgetlength(r, row, column));
  switch (PQftype(r, column)) {
    case bool_type:
      return *text == 't';
    case int2_type:
    case int4_type:
    case int8_type: {
      std::int64_t number = 0;
      std::from_chars(text, text + size, number);
      return number;
    }
    case float4_type:
    case float8_type: {
      double number = 0;
      std::from_chars(text, text + size, number);
      return number;
    }
    case bytea_type: {
      struct release {
        void operator()(unsigned char* bytes) const noexcept { PQfreemem(bytes); }
      };
      std::size_t length = 0;
      const std::unique_ptr<unsigned char, release> bytes{
          PQunescapeBytea(reinterpret_cast<const unsigned char*>(text), &length)};
      if (!bytes) return blob{};
      return blob{std::string(reinterpret_cast<const char*>(bytes.get()), length)};
    }
    default:
      return std::string(text, size);
  }
}

}  // namespace

pg_arguments::pg_arguments(const parameters& values) {
  texts_.reserve(values.size());  // so that none moves
  const auto own = [this](std::string text) {
    const auto& kept = texts_.emplace_back(std::move(text));
    values_.push_back(kept.c_str());
    lengths_.push_back(static_cast<int>(kept.size()));
  };
  for (const auto& v : values) {
    types_.push_back(v.type() == value_type::blob ? bytea_type : 0);
    formats_.push_back(v.type() == value_type::blob ? binary_format : text_format);
    switch (v.type()) {
      case value_type::null:
        values_.push_back(nullptr);
        lengths_.push_back(0);
        break;
      case value_type::boolean:
        own(*v.get_if<bool>() ? "t" : "f");
        break;
      case value_type::integer:
        own(std::to_string(*v.get_if<std::int64_t>()));
        break;
      case value_type::real:
        own(as_text(*v.get_if<double>()));
        break;
      case value_type::text:
        values_.push_back(v.get_if<std::string>()->c_str());
        lengths_.push_back(static_cast<int>(v.get_if<std::string>()->size()));
        break;
      case value_type::blob:
        values_.push_back(v.get_if<blob>()->bytes.c_str());
        lengths_.push_back(static_cast<int>(v.get_if<blob>()->bytes.size()));
        break;
    }
  }
}

std::string prepared_key(const std::string& sql, const parameters& values) {
  std::string key;
  key.reserve(values.size() + 1 + sql.size());
  for (const auto& v : values) key += v.type() == value_type::blob ? 'b' : '.';
  return key.append(1, ' ').append(sql);
}

result<rows> read_result(const PGresult* r, std::size_t limit) {
  if (PQresultMemorySize(r) > limit)
    return fail(
        error{errc::resource_exhausted, "the result is larger than " + std::to_string(limit) + " bytes"}.with_remedy(
            "ask for it in pages (LIMIT), or raise result_bytes"));
  detail::row_data data;
  const int columns = PQnfields(r), count = PQntuples(r);
  for (int c = 0; c < columns; ++c) data.columns.emplace_back(PQfname(r, c));
  data.count = static_cast<std::size_t>(count);
  data.cells.reserve(static_cast<std::size_t>(columns) * data.count);
  for (int row = 0; row < count; ++row)
    for (int c = 0; c < columns; ++c) data.cells.push_back(read_cell(r, row, c));
  const std::string_view tag = PQcmdStatus(const_cast<PGresult*>(r));  // NOLINT: libpq's signature; it only reads
  if (tag.starts_with("INSERT") || tag.starts_with("UPDATE") || tag.starts_with("DELETE") || tag.starts_with("MERGE")) {
    const char* number = PQcmdTuples(const_cast<PGresult*>(r));  // NOLINT
    std::from_chars(number, number + std::strlen(number), data.affected);
  }
  return rows{std::move(data)};
}

}  // namespace weft::storage
