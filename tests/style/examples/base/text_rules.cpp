struct wanted_user {
  std::string name;
};
extern wanted_user wanted;
