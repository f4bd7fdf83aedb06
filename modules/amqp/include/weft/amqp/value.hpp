#pragma once
// Field tables, as AMQP 0-9-1 carries them in headers and arguments, with the types RabbitMQ knows.
//
//     amqp::table arguments{{"x-queue-type", "quorum"}, {"x-delivery-limit", 3}};
//     const auto deaths = message.properties.headers.find("x-death");        // null when there is none
//
// Plain values. Names are unique in what RabbitMQ sends; a table keeps them in their order and does not check.
// Source: AMQP 0-9-1, 4.2.5.5, with the type letters of https://www.rabbitmq.com/amqp-0-9-1-errata.html, section 3.
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weft::amqp {

class value;
struct field;
using array = std::vector<value>;  // 'A'

struct decimal {  // 'D': digits / 10^scale
  std::uint8_t scale = 0;
  std::uint32_t digits = 0;
  friend bool operator==(const decimal&, const decimal&) = default;
};

struct timestamp {            // 'T'
  std::uint64_t seconds = 0;  // since 1970
  friend bool operator==(const timestamp&, const timestamp&) = default;
};

struct binary {  // 'x'
  std::string bytes;
  friend bool operator==(const binary&, const binary&) = default;
};

class table {  // 'F'
 public:
  table() noexcept;
  table(std::initializer_list<field> fields);
  table(const table&);
  table(table&&) noexcept;
  table& operator=(const table&);
  table& operator=(table&&) noexcept;
  ~table();

  [[nodiscard]] bool empty() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  // Null when there is no such name.
  [[nodiscard]] const value* find(std::string_view name) const noexcept;
  void set(std::string_view name, value v);  // replaces
  bool erase(std::string_view name);
  void append(field f);  // without looking for the name

  [[nodiscard]] const std::vector<field>& fields() const noexcept { return fields_; }
  [[nodiscard]] std::vector<field>::const_iterator begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] std::vector<field>::const_iterator end() const noexcept { return fields_.end(); }
  friend bool operator==(const table& a, const table& b);

 private:
  std::vector<field> fields_;
};

class value {
 public:
  // In the order of the letters V t b B s u I i l f d D S A T F x.
  using variant =
      std::variant<std::monostate, bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                   std::uint32_t, std::int64_t, float, double, decimal, std::string, array, timestamp, table, binary>;

  value() noexcept = default;                           // 'V'
  value(bool v) : held_{v} {}                           // NOLINT: a value is what it holds
  value(std::int8_t v) : held_{v} {}                    // NOLINT
  value(std::uint8_t v) : held_{v} {}                   // NOLINT
  value(std::int16_t v) : held_{v} {}                   // NOLINT
  value(std::uint16_t v) : held_{v} {}                  // NOLINT
  value(std::int32_t v) : held_{v} {}                   // NOLINT
  value(std::uint32_t v) : held_{v} {}                  // NOLINT
  value(std::int64_t v) : held_{v} {}                   // NOLINT
  value(float v) : held_{v} {}                          // NOLINT
  value(double v) : held_{v} {}                         // NOLINT
  value(decimal v) : held_{v} {}                        // NOLINT
  value(timestamp v) : held_{v} {}                      // NOLINT
  value(std::string v) : held_{std::move(v)} {}         // NOLINT
  value(std::string_view v) : held_{std::string{v}} {}  // NOLINT
  value(const char* v) : held_{std::string{v}} {}       // NOLINT
  value(array v) : held_{std::move(v)} {}               // NOLINT
  value(table v) : held_{std::move(v)} {}               // NOLINT
  value(binary v) : held_{std::move(v)} {}              // NOLINT

  // Null when it holds another type.
  template <class T>
  [[nodiscard]] const T* as() const noexcept {
    return std::get_if<T>(&held_);
  }
  // Of any of the integer types: a sender chooses the width.
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  [[nodiscard]] const variant& held() const noexcept { return held_; }
  friend bool operator==(const value& a, const value& b);

 private:
  variant held_;
};

struct field {
  std::string name;  // at most 255 bytes
  value content;
  friend bool operator==(const field&, const field&) = default;
};

inline table::table() noexcept = default;
inline table::table(table&&) noexcept = default;
inline table& table::operator=(table&&) noexcept = default;
inline table::~table() = default;

}  // namespace weft::amqp
