//! The user that the documents show can do all that the shop does, and nothing else is tried.

use ordershop_redis::requirements::access_rules;

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
