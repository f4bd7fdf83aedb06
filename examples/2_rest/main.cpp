// A small REST service: path and query parameters, JSON in and out, validation, errors, settings of its own.
//     ./notes --max_notes=100
//     curl -d '{"title":"buy milk","tags":["home"]}' http://127.0.0.1:8080/notes
//     curl 'http://127.0.0.1:8080/notes?tag=home'
#include <weft/base/text_rules.hpp>
#include <weft/service.hpp>

#include <algorithm>
#include <boost/describe/class.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace weft;

struct new_note {
  std::string title;
  std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(new_note, (), (title, tags))

struct note {
  std::int64_t id = 0;
  std::string title;
  std::vector<std::string> tags;
  wall_time created_at;
};
BOOST_DESCRIBE_STRUCT(note, (), (id, title, tags, created_at))

struct settings : service::service_settings {
  std::uint32_t max_notes = 1000;
};
BOOST_DESCRIBE_STRUCT(settings, (service::service_settings), (max_notes))

result<> validate(const new_note& n) {
  if (const auto problem = check_text(n.title, {.min_characters = 1, .max_characters = 200}))
    return fail(errc::invalid_argument, "$.title: " + *problem);
  if (n.tags.size() > 10) return fail(errc::invalid_argument, "$.tags: at most 10");
  return {};
}

class notes {
 public:
  explicit notes(std::size_t max) : max_{max} {}

  task<result<http::response>> create(http::request& r);

  task<result<http::response>> find(http::request&, std::int64_t id) {
    const auto found = all_.find(id);
    if (found == all_.end()) co_return fail(errc::not_found, "note " + std::to_string(id));  // 404
    co_return http::response::json(found->second);
  }

  task<result<http::response>> list(http::request& r) {
    const auto tag = r.query("tag");
    std::vector<note> found;
    for (const auto& [id, one] : all_)
      if (!tag || std::ranges::find(one.tags, *tag) != one.tags.end()) found.push_back(one);
    co_return http::response::json(found);
  }

  task<result<http::response>> remove(http::request&, std::int64_t id) {
    if (all_.erase(id) == 0) co_return fail(errc::not_found, "note " + std::to_string(id));
    co_return http::response{http::status::no_content};
  }

 private:
  std::size_t max_;
  std::int64_t next_id_ = 1;
  std::map<std::int64_t, note> all_;
};

// [readme]
task<result<http::response>> notes::create(http::request& r) {
  WEFT_CO_TRY(auto wanted, co_await r.json<new_note>());  // 400 with the path of what is wrong
  WEFT_CO_TRY_VOID(validate(wanted));
  if (all_.size() >= max_) co_return fail(errc::resource_exhausted, "there is no room for more notes");
  const auto id = next_id_++;
  const auto& made = all_[id] = {id, wanted.title, wanted.tags, r.home()->wall_now()};
  co_return http::response::json(made, http::status::created);
}

int main(int argc, char** argv) {
  const service::program_options program{.name = "notes", .version = "1.0"};
  const auto config = service::load_or_exit<settings>(program, argc, argv);  // YAML, environment, flags
  notes all{config->max_notes};

  http::router routes;
  routes.post("/notes", [&](http::request& r) { return all.create(r); });
  routes.get("/notes", [&](http::request& r) { return all.list(r); });
  routes.get("/notes/{id}", [&](http::request& r, std::int64_t id) { return all.find(r, id); });
  routes.del("/notes/{id}", [&](http::request& r, std::int64_t id) { return all.remove(r, id); });

  service::application app{program, config};  // health, metrics, logs, traces, drain on SIGTERM
  app.serve(std::move(routes));
  return app.run();
}
// [/readme]
