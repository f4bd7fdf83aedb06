extern std::unique_ptr<stream> accepted;
