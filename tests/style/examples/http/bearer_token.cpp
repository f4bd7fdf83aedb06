struct token_issuer {
  task<result<http::bearer_token>> fetch(context ctx);
};
extern token_issuer issuer;
