#include <gtest/gtest.h>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/testkit/simulation.hpp>
using weft::loop;
extern simulation& sim;
