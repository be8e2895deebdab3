//! What the shop's own Redis keeps when it is killed, and when it syncs, on which a death of the machine depends.

use ordershop_redis::durability::Durability;

use crate::stage::Stage;

#[tokio::test]
async fn the_own_redis_syncs_and_keeps_what_its_durability_says() {
    let cases = [
        (Durability::None, ["no", "no"], false),
        (Durability::Everysec, ["yes", "everysec"], true),
        (Durability::Always, ["yes", "always"], true),
    ];
    for (durability, settings, keeps) in cases {
        let mut stage = Stage::with_durability(durability).await;
        for (name, value) in ["appendonly", "appendfsync"].into_iter().zip(settings) {
            let said: Vec<String> = stage.redis(&["CONFIG", "GET", name]).await;
            assert_eq!(said, [name, value], "{durability:?}");
        }
        let _: () = stage.redis(&["SET", "answered", "1"]).await;
        stage.kill_and_start(durability).await;
        let there: bool = stage.redis(&["EXISTS", "answered"]).await;
        assert_eq!(there, keeps, "{durability:?}");
    }
}
