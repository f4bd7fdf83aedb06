extern std::string id;
extern weft::loop& other_loop;
