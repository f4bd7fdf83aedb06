extern blocking_disk& disk;
extern std::string record;
