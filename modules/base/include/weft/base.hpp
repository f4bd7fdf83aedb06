#pragma once
#include <weft/base/assert.hpp>
#include <weft/base/error.hpp>
#include <weft/base/hex.hpp>
#include <weft/base/strong.hpp>
#include <weft/base/time.hpp>
#include <weft/base/utf8.hpp>
#include <weft/base/uuid.hpp>
