#pragma once
// The host of a service. See application.hpp for a program, config.hpp for settings of one's own.
#include <weft/service/application.hpp>
#include <weft/service/config.hpp>
#include <weft/service/drain.hpp>
#include <weft/service/health.hpp>
#include <weft/service/secret.hpp>
#include <weft/service/settings.hpp>
