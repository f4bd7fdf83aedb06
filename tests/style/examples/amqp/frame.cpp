#include <string>
extern std::string received, out;
extern std::uint32_t frame_max;
extern std::uint16_t channel;
