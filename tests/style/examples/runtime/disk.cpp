extern weft::disk& disk;
extern std::string record;
