extern std::string received;
extern http1::limits limits;
extern http1::request_head head;
using http1::progress;
