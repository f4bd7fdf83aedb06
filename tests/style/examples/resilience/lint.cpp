extern circuit_breaker breaker;
void print(const std::string& text);
