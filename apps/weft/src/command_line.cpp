#include "command_line.hpp"

#include <weft/base/closest_name.hpp>

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <optional>
#include <sstream>

namespace weft::cli {

namespace {

// What the options write to, and what is read out of it once all are there.
struct given {
  std::string broker, timeout = "10s", delay = "0s", time_to_live = "0s", compatibility;
  bool json = false;
  unsigned priority = messaging::default_priority;
  listing list;
  showing show;
  selection select;
  group_clearing clear;
  group_removing remove;
  tailing tail;
  publishing publish;
  schema_checking check;
  schema_adding add;
  schema_showing show_schema;
  schema_comparing compare;
};

CLI::App* verb(CLI::App& above, const std::string& name, const std::string& what, const std::string& examples) {
  auto* sub = above.add_subcommand(name, what);
  sub->footer("Examples:\n" + examples);
  return sub;
}

void json_option(CLI::App& to, given& g) { to.add_flag("--json", g.json, "write JSON instead of text"); }

void broker_options(CLI::App& to, given& g) {
  // Not CLI11's envname(): it would read the variable for every command's option, over what one of them was given.
  to.add_option("--broker", g.broker,
                "the broker, as amqp://HOST, sqlite:FILE, or http://HOST of a service that offers it; "
                "else the environment variable WEFT_BROKER names it")
      ->type_name("URL");
  to.add_option("--timeout", g.timeout, "how long the broker may take to answer (10s)")->type_name("TIME");
  json_option(to, g);
}

void registry_option(CLI::App& to, std::string& registry) {
  to.add_option("--registry", registry, "the file or folder of the schemas (schemas.json, or else schemas/)")
      ->type_name("PATH");
}

void select_options(CLI::App& to, given& g) {
  to.add_option("group", g.select.group, "the group of consumers they failed in")->required()->type_name("GROUP");
  auto* numbers = to.add_option("number", g.select.numbers, "the dead letters, as `weft dlq list` numbers them")
                      ->type_name("NUMBER");
  to.add_flag("--all", g.select.all, "all of the group's dead letters")->excludes(numbers);
  broker_options(to, g);
}

void add_dead_letters(CLI::App& app, given& g) {
  auto* dlq = app.add_subcommand("dlq", "look at messages that failed for good, and send them again");
  dlq->require_subcommand(1);
  auto* list = verb(*dlq, "list", "list dead letters",
                    "  weft dlq list --broker amqp://localhost\n"
                    "  weft dlq list billing --limit 20\n"
                    "  weft dlq list --json | jq -r '.[].reason' | sort | uniq -c\n");
  list->add_option("group,--group", g.list.group, "of this group of consumers only")->type_name("GROUP");
  list->add_option("--after", g.list.after, "those with a higher number")->type_name("NUMBER");
  list->add_option("--limit", g.list.limit, "so many at most (100)")->check(CLI::Range(1, 100'000))->type_name("N");
  broker_options(*list, g);

  auto* show = verb(*dlq, "show", "show one dead letter: its envelope, headers, failures and body",
                    "  weft dlq show billing 7\n  weft dlq show billing 7 --json | jq .body\n");
  show->add_option("group", g.show.group, "the group of consumers it failed in")->required()->type_name("GROUP");
  show->add_option("number", g.show.number, "as `weft dlq list` numbers it")->required()->type_name("NUMBER");
  show->add_option("--max-body", g.show.max_body_bytes, "show so many bytes of the body (65536); --json has all")
      ->type_name("BYTES");
  broker_options(*show, g);

  select_options(*verb(*dlq, "replay", "send dead letters back to the group they failed in, as new, in their order",
                       "  weft dlq replay billing 7 8\n  weft dlq replay billing --all\n"),
                 g);
  select_options(*verb(*dlq, "purge", "delete dead letters; it does not ask",
                       "  weft dlq purge billing 7\n  weft dlq purge billing --all\n"),
                 g);
}

void add_groups(CLI::App& app, given& g) {
  auto* groups = verb(app, "groups", "list groups of consumers, and how many messages wait in each",
                      "  weft groups --broker amqp://localhost\n"
                      "  weft groups --json | jq '.[] | select(.dead > 0)'\n");
  groups->require_subcommand(0, 1);
  broker_options(*groups, g);
  auto* clear = verb(*groups, "clear", "drop the messages that wait in a group; it does not ask",
                     "  weft groups clear billing            # dead letters stay: weft dlq purge\n");
  clear->add_option("group", g.clear.group, "the group of consumers")->required()->type_name("GROUP");
  broker_options(*clear, g);
  auto* remove = verb(*groups, "remove", "remove a group that nobody consumes from any more",
                      "  weft groups remove billing\n  weft groups remove billing --force\n");
  remove->add_option("group", g.remove.group, "the group of consumers")->required()->type_name("GROUP");
  remove->add_flag("--force", g.remove.force, "also with messages and dead letters in it, which are deleted");
  broker_options(*remove, g);
}

void add_tail(CLI::App& app, given& g) {
  auto* tail = verb(app, "tail", "follow what is published, until Ctrl-C",
                    "  weft tail orders.placed.v1 --broker amqp://localhost\n"
                    "  weft tail 'orders.#'            # * is one word of a topic, # any number of them\n"
                    "  weft tail '#' --json --count 10 | jq .event.type\n");
  tail->add_option("topic", g.tail.pattern, "a topic, or a pattern of topics")->required()->type_name("TOPIC");
  tail->add_option("--count", g.tail.count, "end after so many messages")->check(CLI::PositiveNumber)->type_name("N");
  tail->add_option("--max-body", g.tail.max_body_bytes, "show so many bytes of each body (1000); --json has all")
      ->type_name("BYTES");
  broker_options(*tail, g);
}

void add_publish(CLI::App& app, given& g) {
  auto& p = g.publish;
  auto* publish = verb(app, "publish", "publish a message, or one for each line of standard input",
                       "  weft publish user.created '{\"id\":7}' --key 7 --broker amqp://localhost\n"
                       "  weft publish user.created @user.json --delay 5s --mandatory\n"
                       "  weft publish orders.placed.v1 --lines - < orders.jsonl\n"
                       "  weft publish blobs @picture.png --raw --content-type image/png\n");
  publish->add_option("topic", p.topic, "where to")->required()->type_name("TOPIC");
  publish->add_option("data", p.data, "JSON; @FILE reads a file, - standard input")->required()->type_name("DATA");
  publish->add_option("--key", p.key, "messages of one key stay in order")->type_name("KEY");
  publish->add_option("--id", p.id, "instead of a new one: to repeat a message")->type_name("ID");
  publish->add_option("--header", p.headers, "an extension of the event, or a header of a raw message; repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  publish->add_option("--delay", g.delay, "deliver it no earlier than after this time")->type_name("TIME");
  publish->add_option("--ttl", g.time_to_live, "drop it when it waits longer than this")->type_name("TIME");
  publish->add_option("--priority", g.priority, "from 0 to 9, higher first (4)")
      ->check(CLI::Range(0, 9))
      ->type_name("N");
  publish->add_flag("--mandatory", p.mandatory, "fail when no group takes it");
  publish->add_flag("--lines", p.lines, "one message for each line of standard input, in their order");
  publish->add_option("--batch", p.batch, "with --lines, so many at a time (500)")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  auto* raw = publish->add_flag("--raw", p.raw, "send the data as it is, without an event around it");
  publish->add_option("--content-type", p.content_type, "of raw data (application/octet-stream)")
      ->needs(raw)
      ->type_name("TYPE");
  publish->add_option("--type", p.type, "the event's type (the topic)")->excludes(raw)->type_name("TYPE");
  publish->add_option("--source", p.source, "the event's source (/weft)")->excludes(raw)->type_name("URI");
  publish->add_option("--subject", p.subject, "the event's subject (the key)")->excludes(raw)->type_name("TEXT");
  publish->add_option("--schema-version", p.schema_version, "of the event's data (1)")
      ->excludes(raw)
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  broker_options(*publish, g);
}

void add_schemas(CLI::App& app, given& g) {
  auto* schema = app.add_subcommand("schema", "keep the shapes of events compatible");
  schema->require_subcommand(1);
  auto* check = verb(*schema, "check", "refuse changes of schemas that break somebody, and say whom",
                     "  weft schema check                         # each version with all before it\n"
                     "  weft schema check --against origin/main   # and what was published stays as it is\n"
                     "  weft schema check --registry schemas --against ../released/schemas\n");
  registry_option(*check, g.check.registry);
  check->add_option("--against", g.check.against, "what was there before: a commit, a file or a folder")
      ->type_name("BEFORE");
  json_option(*check, g);

  auto* add = verb(*schema, "add", "add a version of a type to the registry, if it is compatible",
                   "  weft schema add orders.placed 2 order.schema.json\n"
                   "  print-schema order_placed | weft schema add orders.placed 3 - --upcast\n");
  add->add_option("type", g.add.type, "the type of the events")->required()->type_name("TYPE");
  add->add_option("version", g.add.version, "from 1")->required()->type_name("VERSION");
  add->add_option("schema", g.add.schema, "a file with JSON Schema; - for standard input")
      ->required()
      ->type_name("FILE");
  add->add_option("--compatibility", g.compatibility, "what the type promises from now on (backward)")
      ->check(CLI::IsMember({"none", "backward", "forward", "full"}));
  add->add_flag("--upcast", g.add.upcast, "an upcaster turns the version before it into this one");
  registry_option(*add, g.add.registry);
  json_option(*add, g);

  auto* show = verb(*schema, "show", "list the types, or show the schema of one",
                    "  weft schema show\n  weft schema show orders.placed 2\n");
  show->add_option("type", g.show_schema.type, "the type of the events")->type_name("TYPE");
  show->add_option("version", g.show_schema.version, "the newest without it")
      ->check(CLI::PositiveNumber)
      ->type_name("VERSION");
  registry_option(*show, g.show_schema.registry);
  json_option(*show, g);

  auto* diff = verb(*schema, "diff", "show what differs between two versions of a type",
                    "  weft schema diff orders.placed        # the newest and the one before it\n"
                    "  weft schema diff orders.placed 1 3\n");
  diff->add_option("type", g.compare.type, "the type of the events")->required()->type_name("TYPE");
  auto* older = diff->add_option("old", g.compare.older, "a version")->check(CLI::PositiveNumber)->type_name("OLD");
  diff->add_option("new", g.compare.newer, "another one")->check(CLI::PositiveNumber)->needs(older)->type_name("NEW");
  registry_option(*diff, g.compare.registry);
  json_option(*diff, g);
}

// "dlq list", and the command of that name.
std::pair<std::string, const CLI::App*> chosen(const CLI::App& app) {
  std::string name;
  const auto* at = &app;
  for (auto subs = at->get_subcommands(); !subs.empty(); subs = at->get_subcommands()) {
    at = subs.front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return {name, at};
}

command command_of(const std::string& name, given& g) {
  if (name == "groups") return groups_listing{};
  if (name == "groups clear") return std::move(g.clear);
  if (name == "groups remove") return std::move(g.remove);
  if (name == "dlq list") return std::move(g.list);
  if (name == "dlq show") return std::move(g.show);
  if (name == "dlq replay") return replaying{std::move(g.select)};
  if (name == "dlq purge") return purging{std::move(g.select)};
  if (name == "tail") return std::move(g.tail);
  if (name == "publish") return std::move(g.publish);
  if (name == "schema check") return std::move(g.check);
  if (name == "schema add") return std::move(g.add);
  if (name == "schema show") return std::move(g.show_schema);
  return std::move(g.compare);
}

result<invocation> read(const std::string& name, given& g) {
  WEFT_TRY(const auto timeout, parse_time(g.timeout, "--timeout"));
  if (timeout == timeout.zero()) return fail(errc::invalid_argument, "--timeout: must be longer than 0s");
  WEFT_TRY(g.publish.delay, parse_time(g.delay, "--delay"));
  WEFT_TRY(g.publish.time_to_live, parse_time(g.time_to_live, "--ttl"));
  if (const char* broker = std::getenv("WEFT_BROKER"); g.broker.empty() && broker != nullptr) g.broker = broker;
  g.publish.priority = static_cast<std::uint8_t>(g.priority);
  g.publish.timeout = timeout;
  g.tail.subscribe_timeout = timeout;
  if (!g.compatibility.empty()) {
    WEFT_TRY(g.add.wanted, messaging::parse_compatibility(g.compatibility));
  }
  const bool selects = name == "dlq replay" || name == "dlq purge";
  if (selects && !g.select.all && g.select.numbers.empty())
    return fail(errc::invalid_argument, "name the dead letters by their numbers, or say --all");
  return invocation{
      .what = command_of(name, g), .how = g.json ? format::json : format::text, .broker = g.broker, .timeout = timeout};
}

usage mistake(const std::string& name, std::string_view what) {
  const auto command = name.empty() ? "weft" : "weft " + name;
  return {exit_status::wrong_usage,
          command + ": " + one_line(without_passwords(what), 4000) + "\n  " + command + " --help says how to use it\n",
          command};
}

// The command that was meant, of those there are; empty when none is close.
std::string meant(const std::string& word, const CLI::App& at) {
  std::vector<std::string> names;
  for (const auto* each : at.get_subcommands([](const CLI::App*) { return true; })) names.push_back(each->get_name());
  const std::vector<std::string_view> views{names.begin(), names.end()};
  return std::string{closest_name(word, views)};
}

// CLI11 asks for a command when there is a word that is none.
std::string unknown_command(const std::string& name, const CLI::App& at, const std::vector<std::string>& arguments) {
  const auto depth = static_cast<std::size_t>(std::ranges::count(name, ' ')) + (name.empty() ? 0 : 1);
  if (depth >= arguments.size() || arguments[depth].starts_with('-')) return {};
  const auto closest = meant(arguments[depth], at);
  return "there is no command '" + arguments[depth] + "'" +
         (closest.empty() ? std::string{} : "; did you mean '" + closest + "'?");
}

}  // namespace

std::variant<invocation, usage> parse_command_line(std::vector<std::string> arguments) {
  given g;
  CLI::App app{"Tools around messages and their schemas.", "weft"};
  app.set_version_flag("--version", "weft " WEFT_VERSION);
  app.footer(
      "weft COMMAND --help says more. Exit status: 0 done, 1 failed or the answer is no, 2 wrong usage, 3 schemas that "
      "cannot be judged.");
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  add_dead_letters(app, g);
  add_groups(app, g);
  add_tail(app, g);
  add_publish(app, g);
  add_schemas(app, g);
  try {
    app.parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});  // the last first, as CLI11 takes them
  } catch (const CLI::ParseError& e) {
    const auto [name, at] = chosen(app);
    const auto unknown = at->get_require_subcommand_min() > 0 ? unknown_command(name, *at, arguments) : std::string{};
    if (e.get_exit_code() != 0) return mistake(name, unknown.empty() ? e.what() : unknown.c_str());
    std::ostringstream said;
    app.exit(e, said, said);
    return usage{exit_status::ok, std::move(said).str(), {}};
  }
  const auto name = chosen(app).first;
  auto asked = read(name, g);
  if (!asked) return mistake(name, asked.error().describe());
  return *std::move(asked);
}

}  // namespace weft::cli
