//! Every endpoint, for every entity.

use std::time::{Duration, Instant};

use hyper::Method;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::topic::Topic;
use serde_json::{Value, json};

use crate::customer::{Answer, Customer, EVENTUALLY_MS};
use crate::shop::Shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entity_is_created_read_updated_and_deleted() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(250, 10).await;
    let spare = http
        .post("/product", &json!({"name": "Cup", "price": 1}))
        .await
        .id();
    let cart = http.cart(&customer, &[&product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    let billing = http.billing(&order, 250).await;
    let shipping = format!("{order}-shipping");
    http.order_becomes(&order, "SHIPPED").await;
    let ordered = http.cart(&customer, &[&product]).await;
    let deletable = http.order(&ordered).await;
    http.order_becomes(&deletable, "IN_STOCK").await;
    let free_cart = http.cart(&customer, &[]).await;
    let inventory = http
        .post("/inventory", &json!({"product_id": spare, "amount": 3}))
        .await
        .id();
    let placed = json!({
        "cart_id": ordered,
        "status": "IN_STOCK",
        "customer_id": customer,
        "lines": [{"product_id": product, "quantity": 1, "price": 250}],
        "total": 250,
    });
    // entity, id, data, an allowed change
    let rows: Vec<(&str, &str, &str, Value, Value)> = vec![
        (
            "customer",
            "customers",
            &customer,
            json!({"name": "Ada", "email": "ada@example.com"}),
            json!({"name": "Eve", "email": "e@example.com"}),
        ),
        (
            "product",
            "products",
            &spare,
            json!({"name": "Cup", "price": 1}),
            json!({"name": "Mug", "price": 2}),
        ),
        (
            "inventory",
            "inventories",
            &inventory,
            json!({"product_id": spare, "amount": 3}),
            json!({"product_id": spare, "amount": 4}),
        ),
        (
            "cart",
            "carts",
            &free_cart,
            json!({"customer_id": customer, "product_ids": []}),
            json!({"customer_id": customer, "product_ids": [product]}),
        ),
        ("order", "orders", &deletable, placed.clone(), placed),
        (
            "billing",
            "billings",
            &billing,
            json!({"order_id": order, "amount": 250}),
            json!({"order_id": order, "amount": 250}),
        ),
        (
            "shipping",
            "shippings",
            &shipping,
            json!({"order_id": order, "delivered": 0}),
            json!({"order_id": order, "delivered": 1_700_000_000.5}),
        ),
    ]
    .into_iter()
    .map(|(entity, plural, id, is, becomes)| (entity, plural, id.as_str(), is, becomes))
    .collect();
    for (entity, plural, id, is, becomes) in &rows {
        let path = format!("/{entity}/{id}");
        let with_id = |fields: &Value| {
            let mut fields = fields.clone();
            fields["entity_id"] = json!(id);
            fields
        };
        assert_eq!(http.get(&path).await.result(), &with_id(is), "{path}");
        assert_eq!(
            http.put(&path, becomes).await.result(),
            &json!(true),
            "{path}"
        );
        let read = http.get(&path).await.result().clone();
        assert_eq!(read, with_id(becomes), "{path}");
        // The result of a GET can be PUT back.
        assert_eq!(
            http.put(&path, &read).await.result(),
            &json!(true),
            "{path}"
        );
        let listed = http.get(&format!("/{plural}")).await.result().clone();
        assert!(
            listed.as_array().unwrap().contains(&read),
            "{plural}: {listed}"
        );
    }
    for (entity, plural, id, _, _) in rows.iter().rev() {
        let path = format!("/{entity}/{id}");
        if ["billing", "shipping"].contains(entity) {
            http.delete(&path).await.refused(409, "DELIVERED");
            continue;
        }
        assert_eq!(http.delete(&path).await.result(), &json!(true), "{path}");
        assert_eq!(http.get(&path).await.result(), &Value::Null, "{path}");
        let listed = http.get(&format!("/{plural}")).await.result().clone();
        let gone = listed
            .as_array()
            .unwrap()
            .iter()
            .all(|entity| entity["entity_id"] != *id);
        assert!(gone, "{plural}: {listed}");
        http.delete(&path).await.refused(404, id);
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_join_orders_with_all_that_belongs_to_them() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let product = http.product(700, 10).await;
    let cart = http.cart(&customer, &[&product, &product]).await;
    let order = http.order(&cart).await;
    http.order_becomes(&order, "IN_STOCK").await;
    assert_eq!(
        http.get("/orders/unbilled").await.result()[&order]["status"],
        "IN_STOCK"
    );
    assert!(http.get("/orders/unshipped").await.result()[&order].is_object());
    let billing = http.billing(&order, 1_400).await;
    http.order_becomes(&order, "SHIPPED").await;
    assert_eq!(http.get("/orders/unbilled").await.result(), &json!({}));
    assert_eq!(http.get("/orders/unshipped").await.result(), &json!({}));
    assert_eq!(http.get("/orders/delivered").await.result(), &json!([]));
    let shipping = format!("/shipping/{order}-shipping");
    http.put(
        &shipping,
        &json!({"order_id": order, "delivered": 1_700_000_000}),
    )
    .await
    .result();
    http.order_becomes(&order, "DELIVERED").await;
    assert_eq!(
        http.get("/orders/delivered").await.result()[0]["order_id"],
        json!(order)
    );
    http.eventually("/mails/sent", |mails| {
        mails.as_array().is_some_and(|mails| mails.len() == 4)
    })
    .await;

    let report = http.get("/report").await.result().clone();
    let counts = [
        ("customers", 1),
        ("products", 1),
        ("inventory", 1),
        ("carts", 1),
        ("orders", 1),
        ("billings", 1),
        ("shippings", 1),
        ("mails", 4),
    ];
    for (name, count) in counts {
        assert_eq!(
            report[name].as_array().unwrap().len(),
            count,
            "{name}: {report}"
        );
    }
    let joined = &http.get("/report/orders").await.result().clone()[0];
    assert_eq!(joined["status"], "DELIVERED", "{joined}");
    let text = joined.to_string();
    for part in [
        &customer,
        &product,
        &cart,
        &billing,
        &format!("{order}-shipping"),
    ] {
        assert!(text.contains(part.as_str()), "{part} is not in {joined}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_can_be_read_in_pages_and_whole() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let many: Vec<Value> = (0..2_500)
        .map(|n| json!({"name": format!("product {n}"), "price": n}))
        .collect();
    assert_eq!(
        http.post("/product", &json!(many))
            .await
            .result()
            .as_array()
            .unwrap()
            .len(),
        2_500
    );
    let whole = http
        .get("/products")
        .await
        .result()
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(whole.len(), 2_500);
    let mut paged = Vec::new();
    let mut path = "/products?limit=999".to_owned();
    loop {
        let page = http.get(&path).await;
        paged.extend(page.result().as_array().unwrap().clone());
        match page.body["cursor"].as_str() {
            Some(cursor) => path = format!("/products?limit=999&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, whole);
    http.get("/products?limit=0").await.refused(400, "limit");
    http.get("/products?page=2").await.refused(400, "page");
    shop.close().await;
}

/// The name of the partition that a customer lies in.
fn partition_of(customer: &str) -> Partition {
    let partitions = Partitions::new(crate::PARTITIONS).unwrap();
    partitions.of(Topic::Customer, customer)
}

/// The metrics, once they tell that the read model has handled a customer's event.
async fn metrics_with_lag(http: &Customer, customer: &str) -> Answer {
    let topic = partition_of(customer);
    let handled =
        format!("ordershop_event_lag_seconds_count{{group=\"read-model\",topic=\"{topic}\"}}");
    let deadline = Instant::now() + Duration::from_millis(EVENTUALLY_MS);
    loop {
        let answer = http.get("/metrics").await;
        let text = answer.body.as_str().unwrap();
        if text.contains(&handled) {
            return answer;
        }
        assert!(Instant::now() < deadline, "no lag in {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_metrics_tell_how_it_goes() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let customer = http.customer().await;
    let topic = partition_of(&customer);
    let health = http.get("/health").await;
    assert_eq!(health.status, 200);
    let build = ordershop::build::BUILD;
    assert_eq!(health.body["version"], build.version);
    assert_eq!(health.body["profile"], build.profile);
    assert_eq!(health.body["ready"], true, "{}", health.body);
    assert_eq!(
        health.body["redis"]["durability"], "everysec",
        "{}",
        health.body
    );
    http.eventually("/mails/sent", |mails| {
        mails.as_array().is_some_and(|mails| mails.len() == 1)
    })
    .await;
    metrics_with_lag(http, &customer).await;
    let metrics = shop.metrics().await;
    for line in [
        &*format!("ordershop_appends_total{{topic=\"{topic}\"}} 1"),
        &*format!("ordershop_group_backlog{{group=\"read-model\",topic=\"{topic}\"}}"),
        "ordershop_event_lag_seconds_bucket",
        "ordershop_queue_depth{queue=\"customer-service.create_customers\"} 0",
        "ordershop_append_batch_events_count",
        "ordershop_http_requests_total",
        "ordershop_group_dead_letters",
        "ordershop_redis_commands_total",
        "ordershop_redis_calls_total{command=\"xadd\"}",
        "ordershop_redis_cpu_seconds_total",
        "ordershop_redis_input_bytes_total",
        "ordershop_redis_output_bytes_total",
        "ordershop_redis_memory_bytes",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_takes_the_metrics_and_an_idle_shop_has_few() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let gateway = http.get("/metrics").await;
    let idle = gateway.body.as_str().unwrap().to_owned();

    let customer = http.customer().await;
    http.eventually("/mails/sent", |mails| {
        mails.as_array().is_some_and(|mails| mails.len() == 1)
    })
    .await;
    let used = metrics_with_lag(http, &customer).await;
    let coarse = used.body.as_str().unwrap();
    let fine = http.get("/metrics?buckets=fine").await;
    let all = shop.metrics().await;
    let wants = [("accept", "application/openmetrics-text, text/plain;q=0.5")];
    let open = http.with(&wants, Method::GET, "/metrics", "").await;

    let kind = open.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(open.body.as_str().unwrap().ends_with("# EOF\n"));
    let kind = used.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    test_monitoring::accepts_metrics(coarse);
    test_monitoring::names_exist("ordershop", &all);
    let series = idle.lines().filter(|line| !line.starts_with('#')).count();
    // Each partition has those of its groups.
    let series_max = 300 + 100 * usize::from(crate::PARTITIONS);
    assert!(series < series_max, "{series} series: {idle}");
    let topic = partition_of(&customer);
    let label = format!("group=\"read-model\",topic=\"{topic}\"}}");
    let buckets = |text: &str| {
        let told = text
            .lines()
            .filter(|line| line.starts_with("ordershop_event_lag_seconds_bucket"));
        told.filter(|line| line.contains(&label)).count()
    };
    assert_eq!(buckets(coarse), 22, "{coarse}");
    assert_eq!(buckets(fine.body.as_str().unwrap()), 102);
    http.get("/metrics?buckets=huge")
        .await
        .refused(400, "coarse or fine");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_events_are_paged_oldest_first() {
    let shop = Shop::open().await;
    let http = &shop.customer;
    let many: Vec<Value> = (0..600)
        .map(|n| json!({"name": format!("product {n}"), "price": n}))
        .collect();
    let ids = http
        .post("/product", &json!(many))
        .await
        .result()
        .as_array()
        .unwrap()
        .clone();
    let mut events = Vec::new();
    let id = ids[0].as_str().unwrap();
    let products = Partitions::new(crate::PARTITIONS).unwrap();
    let products = products.of(Topic::Product, id);
    let mut path = format!("/events/{products}?limit=299");
    let mut pages = 0;
    loop {
        let page = http.get(&path).await;
        events.extend(page.result().as_array().unwrap().clone());
        pages += 1;
        match page.body["cursor"].as_str() {
            Some(cursor) => path = format!("/events/{products}?limit=299&after={cursor}"),
            None => break,
        }
    }
    assert_eq!((pages, events.len()), (3, 600));
    for (event, id) in events.iter().zip(&ids) {
        assert_eq!(&event["aggregate_id"], id);
        assert_eq!(event["action"], "entity_created");
        assert_eq!(event["version"], 1);
        assert_eq!(&event["data"]["entity_id"], id);
        assert!(event["published_at_us"].as_u64().unwrap() > 1_600_000_000_000_000);
        assert!(event["event_id"].is_string() && event["correlation_id"].is_string());
    }
    assert_eq!(http.get("/events/mail").await.result(), &json!([]));
    http.get("/events/parcel")
        .await
        .refused(404, "customer, product");
    http.get("/events/order?limit=0")
        .await
        .refused(400, "limit");
    http.get("/events/order?after=yesterday")
        .await
        .refused(400, "yesterday");
    shop.close().await;
}
