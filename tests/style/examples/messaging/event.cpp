#include <weft/messaging/cloud_events.hpp>
