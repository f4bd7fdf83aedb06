extern int total, acknowledged;
