//! A message that is delivered again costs no more for all that was before it.

use serde_json::{Value, json};

use crate::shop::Shop;

/// A command in Redis's log: its number, time, duration, words, client, client's name.
type LoggedCommand = (u64, u64, u64, Vec<Vec<u8>>, Vec<u8>, Vec<u8>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_is_delivered_again_reads_nothing_of_its_topics_past() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let tea = json!({"name": "Tea", "price": 5});
    let made = http.post("/product", &json!(vec![&tea; 3_000])).await;
    let last = made.result()[2_999].as_str().unwrap();
    http.get(&format!("/product/{last}")).await.result();
    let client = redis::Client::open(shop.redis_url()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    // Every command of Redis is logged from here on.
    let settings = [("slowlog-log-slower-than", 0), ("slowlog-max-len", 100_000)];
    for (setting, value) in settings {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg(setting).arg(value);
        set.exec_async(&mut redis).await.unwrap();
    }

    // As of a request with a key: its id tells no time.
    let id = "0123456789abcdef0123456789abcdef";
    let message = json!({
        "id": id,
        "reply_to": "",
        "correlation_id": "c",
        "causation_id": "k",
        "payload": {"params": tea, "key": "k"},
    });
    // How often it was delivered must stand first.
    let message = message
        .to_string()
        .replacen('{', r#"{"redeliveries":1,"#, 1);
    let mut push = redis::cmd("RPUSH");
    push.arg("mq:{product-service.create_products}")
        .arg(message);
    push.exec_async(&mut redis).await.unwrap();

    http.eventually(&format!("/product/{id}"), Value::is_object)
        .await;
    let mut log = redis::cmd("SLOWLOG");
    log.arg("GET").arg(-1);
    let log: Vec<LoggedCommand> = log.query_async(&mut redis).await.unwrap();
    let words = log.iter().map(|(_, _, _, words, ..)| words.join(&b' '));
    let commands: Vec<_> = words
        .map(|words| String::from_utf8_lossy(&words).into_owned())
        .collect();
    // The newest command is the first.
    let pushed = commands.iter().rposition(|command| command.contains(id));
    let of_the_past = |command: &&String| command.starts_with("XRANGE events:{product} (0-0");
    assert_eq!(commands[..pushed.unwrap()].iter().find(of_the_past), None);
    shop.close().await;
}
