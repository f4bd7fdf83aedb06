extern std::string broker_said;
