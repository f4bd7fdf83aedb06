task<void> retries_three_times(loop& l);
