#pragma once
// Events and commands between services: publisher, router, and the brokers behind them. See the module's README.
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/event_bus.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/publisher.hpp>
#include <weft/messaging/router.hpp>
#include <weft/messaging/rpc.hpp>
#include <weft/messaging/schema_registry.hpp>
