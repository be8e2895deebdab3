//! A full Redis: reads are answered, writes refused with the reason, and all goes on once there is room.

use serde_json::json;

use crate::customer::Customer;
use crate::program::Program;
use crate::redis_server::ForeignRedis;
use crate::shopping::{buys, refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_answers_reads_and_refuses_writes_with_the_reason() {
    for mode in [&[][..], &["--processes"]] {
        let redis = ForeignRedis::start(&["--maxmemory-policy", "noeviction"]).await;
        let url = redis.url();
        let args = ["up", "--listen", "127.0.0.1:0", "--redis-url", &url];
        let mut program = Program::start(&[&args, mode].concat());
        let http = Customer::new(program.url().await);
        buys(&http).await;
        let product = http.product(7, 1).await;
        let path = format!("/product/{product}");
        http.eventually(&path, serde_json::Value::is_object).await;

        redis.tell(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let body = json!({"name": "Tea", "price": 7});
        for _ in 0..10 {
            assert!(http.get(&path).await.result().is_object());
            assert!(http.get("/products?limit=1").await.result().is_array());
            let said = refusal(&http.post("/product", &body).await);
            assert!(said.contains("OOM") && said.contains("maxmemory"), "{said}");
            // What nobody waits for is not taken on.
            let said = refusal(&http.post("/products", &body).await);
            assert!(said.contains("OOM"), "{said}");
        }

        redis.tell(&["CONFIG", "SET", "maxmemory", "0"]).await;
        http.posted("/product", &body).await;
        buys(&http).await;
        program.stop().await;
    }
}
