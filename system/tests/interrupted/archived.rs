//! Finished orders are archived while buyers buy: the archive is killed between any two of its effects and another one goes on, and it is
//! restored. Each time `loadgen audit` passes on the shop with the files.

use std::path::PathBuf;
use std::process::Stdio;

use ordershop_contract::failpoint::Failpoint;

use crate::audit;
use crate::process::{LOOK, LOOKS_MAX};
use crate::sold::{Sold, events_about, forget_the_cache, lists, program, succeeded};
use crate::stage::Stage;
use crate::walk::every;

/// The places at which an archive is killed.
const ARCHIVING: [Failpoint; 6] = [
    Failpoint::ArchiveWritten,
    Failpoint::ArchiveNamed,
    Failpoint::ArchiveOrdersHidden,
    Failpoint::ArchiveHidden,
    Failpoint::ArchiveRemoving,
    Failpoint::ArchiveRemoved,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_archived_while_others_are_bought() {
    let mut sold = Sold::something().await;
    let buyers = sold.buyers();
    buyers.are_answered().await;
    let file = sold.file("archive");
    let path = file.to_str().unwrap();
    let dry = [
        "archive",
        "--dry-run",
        "--before",
        &sold.before,
        "--to",
        path,
    ];
    let told = sold.program(&dry, None).await;
    succeeded(&told).unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("would archive") && !file.exists(), "{told:?}");

    succeeded(&sold.archive(&file, None).await).unwrap();

    let bought = buyers.finish().await;
    sold.has_none_of_them().await.unwrap();
    audit::is_as_answered(&sold.http(), &bought).await.unwrap();
    let files = [file];
    sold.audited(&files).await.unwrap();
    let why = sold.audited(&[]).await.unwrap_err();
    assert!(why.contains("FAILED stock"), "{why}");
    let lists_before = lists(&sold.http()).await;
    sold.close().await;
    forget_the_cache(sold.stage.redis_url()).await;
    sold.open().await;
    sold.audited(&files).await.unwrap();
    assert_eq!(lists(&sold.http()).await, lists_before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_changed_while_it_is_archived_stays_whole() {
    let sold = Sold::something().await;
    let http = sold.http();
    let (customer, product) = (http.customer().await, http.product(7, 1).await);
    let mut orders = Vec::new();
    for status in ["IN_STOCK", "OUT_OF_STOCK"] {
        // Both carts are filled while there is a piece.
        orders.push((http.cart(&customer, &[&product]).await, status));
    }
    let mut changed = (String::new(), String::new());
    for (cart, status) in orders {
        let order = http.order(&cart).await;
        http.order_becomes(&order, status).await;
        changed = (cart, order);
    }
    sold.audited(&[]).await.unwrap();
    let mut sold = sold.now_all_old();
    let (cart, order) = changed;
    let file = sold.file("archive");
    let mut archive = std::process::Command::new(env!("CARGO_BIN_EXE_ordershop"))
        .args(["archive", "--before", &sold.before, "--to"])
        .arg(&file)
        .env("REDIS_URL", sold.stage.redis_url())
        .env(
            "FAILPOINTS",
            format!("{}=return(stop)", Failpoint::ArchiveNamed.name()),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = archive.id().to_string();
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
    };
    let mut looks = 0;
    while !is_stopped() {
        assert!(archive.try_wait().unwrap().is_none(), "it never came there");
        looks += 1;
        assert!(looks < LOOKS_MAX);
        tokio::time::sleep(LOOK).await;
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(&order), "{written}");
    let deleted = http.delete(&format!("/order/{order}")).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let going = std::process::Command::new("kill")
        .args(["-CONT", &id])
        .status();
    assert!(going.unwrap().success());

    let output = archive.wait_with_output().unwrap();

    succeeded(&output).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("1 orders were changed meanwhile"), "{told}");
    let shown = http.get(&format!("/cart/{cart}")).await;
    assert!(shown.result().is_object(), "{shown:?}");
    assert!(!events_about(&http, "order", &order).await.is_empty());
    sold.has_none_of_them().await.unwrap();
    sold.audited(std::slice::from_ref(&file)).await.unwrap();
    // What stayed is further than the file.
    sold.close().await;
    succeeded(&sold.restore(&file, None).await).unwrap();
    sold.open().await;
    let http = sold.http();
    let body = serde_json::json!({"customer_id": customer, "product_ids": []});
    let answer = http.put(&format!("/cart/{cart}"), &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    sold.audited(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_comes_back_also_if_its_restoration_is_killed() {
    let mut sold = Sold::something().await;
    let lists_before = lists(&sold.http()).await;
    let file = sold.file("archive");
    succeeded(&sold.archive(&file, None).await).unwrap();
    sold.has_none_of_them().await.unwrap();
    let refused = sold.restore(&file, None).await;
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("a shop runs"), "{text}");
    sold.close().await;
    let killed = sold.restore(&file, Some(Failpoint::ArchiveRestoring)).await;
    assert_eq!(killed.status.code(), None, "{killed:?}");

    // Once the leases of the killed one have run out, and then again.
    succeeded(&sold.restore_once_free(&file).await).unwrap();
    succeeded(&sold.restore(&file, None).await).unwrap();

    sold.open().await;
    sold.audited(&[]).await.unwrap();
    sold.audited(&[file]).await.unwrap();
    assert_eq!(lists(&sold.http()).await, lists_before);
    let http = sold.http();
    audit::is_as_answered(&http, &sold.answered).await.unwrap();
    sold.buyers().finish().await;
    sold.audited(&[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_restored_into_an_empty_redis_and_refused_by_another_shop() {
    let sold = Sold::something().await;
    let file = sold.file("archive");
    succeeded(&sold.archive(&file, None).await).unwrap();
    let other = Stage::empty().await;
    let output = program(&other, &["restore", file.to_str().unwrap()], None).await;
    succeeded(&output).unwrap();
    let mut shop = other.start(None);
    shop.ready().await;
    let http = shop.customer();
    let delivered = sold.delivered();
    assert!(!delivered.is_empty());
    for path in delivered {
        let mut looks = 0;
        while http.get(path).await.result()["status"] != "DELIVERED" {
            looks += 1;
            assert!(looks < LOOKS_MAX, "{path}");
            tokio::time::sleep(LOOK).await;
        }
    }
    let another = Stage::set_up("-TERM").await;
    let output = program(&another, &["restore", file.to_str().unwrap()], None).await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("the archive is of shop"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_killed_between_two_effects_is_gone_on_with_by_the_next() {
    every(ARCHIVING.to_vec(), killed_at).await;
}

async fn killed_at(point: Failpoint) -> Result<(), String> {
    let sold = Sold::something().await;
    let buyers = sold.buyers();
    buyers.are_answered().await;
    let (first, second) = (sold.file("first"), sold.file("second"));
    let killed = sold.archive(&first, Some(point)).await;
    if killed.status.code().is_some() {
        return Err(format!("it never came there: {killed:?}"));
    }
    let mut files: Vec<PathBuf> = [first].into_iter().filter(|file| file.exists()).collect();
    assert_eq!(files.is_empty(), point == Failpoint::ArchiveWritten);

    succeeded(&sold.archive(&second, None).await)?;

    buyers.finish().await;
    sold.has_none_of_them().await?;
    files.push(second);
    sold.audited(&files).await
}
