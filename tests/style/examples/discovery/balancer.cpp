extern std::vector<host_ptr> hosts, tried;
