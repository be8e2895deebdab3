//! A server with too few replicas is refused at the start.

use std::time::Duration;

use ordershop_redis::connection::RedisLink;
use ordershop_redis::info::{self, CheckError};
use ordershop_redis::replicas::ReplicasAsked;
use ordershop_redis::requirements::Asked;

use crate::pair::Pair;

#[tokio::test]
async fn a_redis_with_too_few_replicas_or_without_the_right_to_wait_is_refused() {
    let pair = Pair::new(Duration::ZERO).await;
    let said = async |url: &str, ack| {
        let replicas = ReplicasAsked {
            ack,
            ack_timeout_ms: 300,
        };
        let asked = Asked {
            replicas,
            ..Asked::default()
        };
        match info::check(&RedisLink::new(url).unwrap(), asked).await {
            Ok(_) => String::new(),
            Err(CheckError::Unfit(unfit)) => unfit.to_string(),
            Err(CheckError::Away(reason)) => panic!("away: {reason}"),
        }
    };
    let url = pair.master.url();
    assert_eq!(said(&url, 0).await, "");
    assert_eq!(said(&url, 1).await, "");
    let two = said(&url, 2).await;
    assert!(
        two.contains("in step are 1") && two.contains("2 must have each write"),
        "{two}"
    );
    let rules = ["on", ">pw", "~*", "&*", "+@all", "-wait"];
    let user = [&["ACL", "SETUSER", "shop"][..], &rules].concat();
    pair.master.tell(&user).await;
    let url = pair.master.url_of("shop", "pw");
    assert_eq!(said(&url, 0).await, "");
    let refused = said(&url, 1).await;
    assert!(refused.contains("ACL SETUSER shop +wait"), "{refused}");
}
