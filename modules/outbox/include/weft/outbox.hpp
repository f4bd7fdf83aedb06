#pragma once
// Messages and changes that belong together: published by the transaction that makes the change, handled once by the
// transaction that has the effect. See the module's README.
#include <weft/outbox/inbox.hpp>
#include <weft/outbox/outbox.hpp>
#include <weft/outbox/relay.hpp>
