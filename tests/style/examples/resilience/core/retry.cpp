extern resilience::outcome_view outcome;
task<void> wait(duration how_long);
