extern broker_admin& admin;
void show(const dead_letter_entry& d);
