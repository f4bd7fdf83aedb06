extern outlier_options options;
extern std::size_t n;
extern discovery::host host;
extern std::vector<outlier_record*> records;
