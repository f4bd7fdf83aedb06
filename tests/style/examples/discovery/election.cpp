#include <weft/runtime/task_group.hpp>
using discovery::consul::leader_election;
extern discovery::consul::api& consul;
extern std::string my_id;
extern task_group& work;
