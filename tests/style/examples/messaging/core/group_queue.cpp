extern queue_limits limits;
extern message_ptr message;
extern std::size_t bytes;
extern steady_time now;
extern wall_time wall;
