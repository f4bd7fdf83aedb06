#include <gtest/gtest.h>

#include "types.hpp"

WEFT_JSON_DEFINE_CODEC(shop::order)
