#pragma once
#include <weft/json/decode.hpp>
#include <weft/json/schema.hpp>
#include <weft/json/value.hpp>
