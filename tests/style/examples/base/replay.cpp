extern int request;
extern error problem;
replay replay_of(int request);
