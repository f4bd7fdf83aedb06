struct timer_loop {
  void arm(int timer, std::chrono::steady_clock::time_point at);
  std::chrono::steady_clock::time_point now();
};
extern timer_loop loop;
extern int timer;
struct timer_options {
  std::chrono::steady_clock::duration idle_timeout;
};
extern timer_options options;
