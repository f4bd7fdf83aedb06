#include "values.hpp"

#include <weft/base/hex.hpp>

#include <array>
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

std::string prepared_name(std::string_view key, std::uint32_t generation) {
  std::array<std::uint8_t, 16> bytes{};
  const auto hash_into = [&](std::size_t at, std::uint64_t hash) {  // FNV-1a, its bits mixed as by murmur3's end
    for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
    hash ^= hash >> 33;
    for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<std::uint8_t>(hash >> (8 * i));
  };
  hash_into(0, 0xcbf29ce484222325);
  hash_into(8, 0x9ae16a3b2f90404f);
  const auto name = "weft_" + hex_encode(bytes);
  return generation == 0 ? name : name + "_" + std::to_string(generation);
}

error result_too_large(std::size_t max_bytes) {
  return error{errc::resource_exhausted, "the result is larger than " + std::to_string(max_bytes) + " bytes"}
      .with_limit(limit_kind::size)
      .with_remedy("ask for it in pages (LIMIT), or raise result_bytes");
}

bool pg_rows::add(const PGresult* r, std::size_t max_bytes) {
  const int columns = PQnfields(r), count = PQntuples(r);
  for (int row = 0; row < count; ++row) {
    for (int c = 0; c < columns; ++c) bytes_ += sizeof(value) + static_cast<std::size_t>(PQgetlength(r, row, c));
    if (bytes_ > max_bytes) {
      data_ = {};
      return false;
    }
    for (int c = 0; c < columns; ++c) data_.cells.push_back(read_cell(r, row, c));
    ++data_.count;
  }
  return true;
}

rows pg_rows::finish(const PGresult* last) {
  auto data = std::exchange(data_, {});
  bytes_ = 0;
  const int columns = PQnfields(last);
  for (int c = 0; c < columns; ++c) data.columns.emplace_back(PQfname(last, c));
  const std::string_view tag = PQcmdStatus(const_cast<PGresult*>(last));  // NOLINT: libpq's signature; it only reads
  if (tag.starts_with("INSERT") || tag.starts_with("UPDATE") || tag.starts_with("DELETE") || tag.starts_with("MERGE")) {
    const char* number = PQcmdTuples(const_cast<PGresult*>(last));  // NOLINT
    std::from_chars(number, number + std::strlen(number), data.affected);
  }
  return rows{std::move(data)};
}

}  // namespace weft::storage
