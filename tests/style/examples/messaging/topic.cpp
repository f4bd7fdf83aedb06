struct user {};
