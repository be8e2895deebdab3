//! The append-only file of a small run is cut after each of its transactions, as a machine that died there leaves it; a shop that starts on it
//! settles, and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ordershop_contract::topic::Topic;
use tempfile::TempDir;

use crate::aof::{copy_until, transactions};
use crate::audit;
use crate::buyers::Buyers;
use crate::foreign_service::ForeignService;
use crate::process::{Port, ShopProcess};
use crate::walk::every;

/// How many of the boundaries are tried; all with `CUTS=all`.
const SAMPLE: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_the_append_only_file_ends_the_shop_settles_and_goes_on() {
    let data = small_run().await;
    let folder: Arc<Path> = data.path().into();
    let transactions = transactions(&folder);
    let boundaries = transactions.len();
    println!("{boundaries} boundaries");
    assert!(boundaries > SAMPLE, "only {boundaries} boundaries");
    let step = match std::env::var("CUTS").as_deref() {
        Ok("all") => 1,
        _ => boundaries / SAMPLE,
    };
    let mut cuts: Vec<usize> = transactions
        .iter()
        .step_by(step)
        .map(|one| one.end)
        .collect();
    // One in the middle of a transaction.
    let halved = &transactions[boundaries / 2];
    cuts.push(usize::midpoint(halved.start, halved.end));
    every(cuts, |end| cut_at(Arc::clone(&folder), end)).await;
}

/// The data folder of a shop that sold a little and was ended.
async fn small_run() -> TempDir {
    let data = TempDir::new().unwrap();
    let mut shop = on(data.path());
    shop.ready().await;
    let redis_url = redis_url(data.path());
    Buyers::start(&shop.customer(), &redis_url).finish().await;
    shop.end("-TERM").await;
    data
}

fn on(data: &Path) -> ShopProcess {
    ShopProcess::start(Port::free(), &["--data-dir", data.to_str().unwrap()], None)
}

/// The address of the Redis of a shop with this data folder.
fn redis_url(data: &Path) -> String {
    let socket = data.canonicalize().unwrap().join("redis.sock");
    format!("redis+unix://{}", socket.display())
}

async fn cut_at(whole: Arc<Path>, end: usize) -> Result<(), String> {
    let data = TempDir::new().unwrap();
    let path: PathBuf = data.path().to_owned();
    copy_until(&whole, end, &path);
    let mut shop = on(&path);
    shop.ready().await;
    let redis_url = redis_url(&path);
    ForeignService::on(&redis_url)
        .releases_all(Topic::Shipping)
        .await;
    let answered = Buyers::start(&shop.customer(), &redis_url).finish().await;
    audit::is_as_answered(&shop.customer(), &answered).await?;
    audit::passes(&shop.customer(), &redis_url).await?;
    shop.end("-TERM").await;
    Ok(())
}
