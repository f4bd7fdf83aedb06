extern snapshot latest;
extern std::string user;
extern resilience::outcome_view outcome;
extern duration latency;
