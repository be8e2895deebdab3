//! Dead letters over REST and by the program: listed, shown, handled again, dropped.

use std::process::{Command, Output};

use hyper::Method;
use ordershop_redis::connection::RedisLink;
use serde_json::{Value, json};

use crate::shop::{Customer, Shop};

fn command(shop: &Shop, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordershop"));
    command
        .arg("dead-letters")
        .args(arguments)
        .env("REDIS_URL", shop.redis_url());
    command
}

fn program(shop: &Shop, arguments: &[&str]) -> Output {
    command(shop, arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Puts something into a queue that is no message.
pub async fn poison(shop: &Shop, text: &str) {
    let queue = "mq:{product-service.create_products}";
    let link = RedisLink::new(&shop.redis_url()).unwrap();
    let mut connection = link.dedicated_for(queue).await.unwrap();
    let mut push = redis::cmd("RPUSH");
    push.arg(queue).arg(text);
    push.exec_async(&mut connection).await.unwrap();
}

async fn letters(http: &Customer, count: usize) -> Vec<Value> {
    let letters = http.eventually("/dead-letters", |letters| {
        letters.as_array().is_some_and(|all| all.len() == count)
    });
    letters.await.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_looked_after_over_rest_and_by_the_program() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    letters(http, 0).await;
    poison(&shop, "first").await;
    letters(http, 1).await;
    poison(&shop, "second").await;
    let both = letters(http, 2).await;
    let [first, second] = [0, 1].map(|n| both[n]["id"].as_str().unwrap().to_owned());

    let page = http.get("/dead-letters?limit=1").await;
    assert_eq!(page.result(), &json!([both[0]]));
    assert_eq!(page.body["cursor"], "1");
    let shown = http.get(&format!("/dead-letters/{first}")).await;
    assert_eq!(shown.result()["content"], "first");
    let resend = format!("/dead-letters/{first}/resend");
    http.raw(Method::POST, &resend, "")
        .await
        .refused(400, "only be dropped");
    let path = format!("/dead-letters/{first}");
    assert_eq!(http.delete(&path).await.result(), &json!(true));
    http.delete(&path).await.refused(404, "no dead letter");
    http.get("/dead-letters?cursor=x")
        .await
        .refused(400, "cursor");

    let listed = text(&program(&shop, &["list"]));
    assert!(
        listed.starts_with(&second) && listed.contains("not a message"),
        "{listed}"
    );
    let shown: Value = serde_json::from_str(&text(&program(&shop, &["show", &second]))).unwrap();
    assert_eq!(shown["content"], "second");
    let full = std::fs::File::options().write(true).open("/dev/full");
    let lost = command(&shop, &["list"]).stdout(full.unwrap()).output();
    let lost = lost.unwrap();
    assert_eq!(lost.status.code(), Some(1), "{lost:?}");
    let told = String::from_utf8_lossy(&lost.stderr);
    assert!(told.contains("standard output can't be written"), "{told}");
    let refused = program(&shop, &["resend", &second]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    text(&program(&shop, &["drop", &second]));
    letters(http, 0).await;
    let unknown = program(&shop, &["show", &second]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    shop.close().await;
}
