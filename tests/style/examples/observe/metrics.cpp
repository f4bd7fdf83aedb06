constexpr double elapsed = 0.25;
