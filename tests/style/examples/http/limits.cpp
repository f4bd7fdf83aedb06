task<result<response>> upload(http::request& r);
