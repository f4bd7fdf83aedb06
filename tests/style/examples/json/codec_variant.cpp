#include <variant>
struct circle {};
struct square {};
struct leaf {};
