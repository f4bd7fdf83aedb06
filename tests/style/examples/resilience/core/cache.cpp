struct quote {};
extern std::shared_ptr<quote> shared;
extern quote value;
extern std::size_t bytes;
