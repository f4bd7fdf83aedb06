extern std::string file_name;
std::string read_file(const std::string& path);
