#include <weft/messaging/cloud_events.hpp>
extern message m;
extern std::optional<event> room;
void greet(std::string_view tenant);
