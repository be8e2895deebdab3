//! The user that the documents show can do all that the shop does, and nothing else is tried.

use ordershop_contract::topic::Topic;
use ordershop_redis::requirements::access_rules;
use serde_json::json;

use crate::customer::Customer;
use crate::program::{Program, ordershop};
use crate::redis_server::ForeignRedis;
use crate::shopping::buys;

/// The rules of the user in the reference of the program.
fn documented() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ACL SETUSER shop on >password "));
    line.expect("the reference shows the user").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_exactly_the_documented_rights_buys_and_survives_broken_connections() {
    assert_eq!(documented(), access_rules());
    for mode in [&[][..], &["--processes"]] {
        let redis = ForeignRedis::start(&["--appendonly", "yes"]).await;
        let rules = documented();
        let user = ["ACL", "SETUSER", "shop", "on", ">password"].into_iter();
        redis
            .tell(&user.chain(rules.split(' ')).collect::<Vec<_>>())
            .await;
        let mut command = ordershop(&[&["up", "--listen", "127.0.0.1:0"], mode].concat());
        command.env("REDIS_URL", redis.url_of("shop", "password"));
        let mut program = Program::spawn(command);
        let line = program.ready().await;
        assert!(line.ends_with("durability unknown)"), "{line}");
        let http = Customer::new(program.url().await);
        buys(&http).await;
        redis.tell(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        buys(&http).await;
        http.get("/metrics").await;
        // The one right without which the durability is unknown.
        let log = redis.ask(&["ACL", "LOG"]).await.unwrap();
        let log: Vec<std::collections::HashMap<String, redis::Value>> =
            redis::from_redis_value(log).unwrap();
        let refused: Vec<_> = log
            .iter()
            .map(|entry| format!("{:?}", entry["object"]))
            .collect();
        let refused: Vec<_> = refused
            .into_iter()
            .filter(|what| !what.contains("config|get"))
            .collect();
        assert!(refused.is_empty(), "{refused:?}");
        program.stop().await;
    }
}

/// The rules that the reference of the program adds for a command.
fn documented_for(command: &str) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("`archive` needs also"));
    let (_, after) = line.unwrap().split_once(&format!("`{command}` ")).unwrap();
    let rules = after.strip_prefix("needs also ").unwrap_or(after);
    rules.split('`').nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_with_exactly_the_documented_rights_archive_back_up_and_restore() {
    let redis = ForeignRedis::start(&[]).await;
    for user in ["archive", "backup", "restore"] {
        let rules = format!("{} {}", documented(), documented_for(user));
        let begin = ["ACL", "SETUSER", user, "on", ">password"].into_iter();
        let all: Vec<&str> = begin.chain(rules.split(' ')).collect();
        redis.tell(&all).await;
    }
    let mut program =
        Program::start(&["up", "--listen", "127.0.0.1:0", "--redis-url", &redis.url()]);
    let http = Customer::new(program.url().await);
    let (customer, product) = (http.customer().await, http.product(7, 1).await);
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    http.delete(&format!("/order/{order}")).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("archive");
    let path = file.to_str().unwrap();
    let run = |user: &str, args: &[&str]| {
        let mut command = ordershop(args);
        command.env("REDIS_URL", redis.url_of(user, "password"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // What the shop still acknowledges stays.
    let archive = ["archive", "--before", "0s", "--to", path];
    while !run("archive", &archive).contains("archived 1 orders") {
        std::fs::remove_file(&file).unwrap();
    }
    let whole = dir.path().join("backup");
    let whole = whole.to_str().unwrap();
    run("backup", &["backup", "--to", whole]);
    program.stop().await;

    let restored = run("restore", &["restore", path]);
    redis.tell(&["FLUSHDB"]).await;
    let restored_whole = run("restore", &["restore", whole]);

    assert!(restored.contains("restored 1 orders"), "{restored}");
    assert!(restored_whole.contains("a whole shop"), "{restored_whole}");
}

/// Leaves the default user all rights but that of writing events of a topic.
async fn forbid_events_of(redis: &ForeignRedis, forbidden: Topic) {
    let rules = documented();
    let keys = rules.split(' ').filter(|rule| rule.starts_with('~'));
    let mut keys: Vec<String> = keys.map(str::to_owned).collect();
    keys.retain(|pattern| pattern != "~events:*");
    keys.extend(Topic::ALL.map(|topic| {
        let access = if topic == forbidden { "%R" } else { "" };
        format!("{access}~events:{{{topic}}}")
    }));
    let mut command = vec!["ACL", "SETUSER", "default", "resetkeys"];
    command.extend(keys.iter().map(String::as_str));
    redis.tell(&command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_half_done_when_a_right_is_taken_away_is_done_once_it_is_back() {
    let redis = ForeignRedis::start(&[]).await;
    let url = redis.url();
    let mut program = Program::start(&["up", "--listen", "127.0.0.1:0", "--redis-url", &url]);
    let http = Customer::new(program.url().await);
    let customer = http.customer().await;
    let product = http.product(7, 9).await;
    let cart = http.cart(&customer, &[&product]).await;
    let path = format!("/cart/{cart}");
    let order = json!({"cart_id": cart});

    // The cart is marked, and the order can't be written.
    forbid_events_of(&redis, Topic::Order).await;
    http.post("/order", &order)
        .await
        .refused(504, "outcome unknown");
    redis.tell(&["ACL", "SETUSER", "default", "allkeys"]).await;
    let marked = http
        .eventually("/orders", |orders| orders.as_array().unwrap().len() == 1)
        .await;
    let id = marked[0]["entity_id"].as_str().unwrap();
    http.order_becomes(id, "IN_STOCK").await;

    // The order is deleted, and its cart can't be freed.
    forbid_events_of(&redis, Topic::Cart).await;
    let order_path = format!("/order/{id}");
    http.delete(&order_path)
        .await
        .refused(504, "outcome unknown");
    redis.tell(&["ACL", "SETUSER", "default", "allkeys"]).await;
    http.eventually(&path, |cart| cart.get("order_id").is_none())
        .await;
    http.posted("/order", &order).await;
    program.stop().await;
}
