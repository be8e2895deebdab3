//! Fingerprints of entities: equal entities have the same 64 bits, so that a million entities fit into memory. FNV-1a over JSON with
//! sorted keys; two different entities have the same fingerprint once in 10¹⁹ pairs.

use serde_json::Value;

use super::topic::ShopTopic;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

/// The fingerprint of a sequence of texts.
pub fn fingerprint_text(texts: &[&str]) -> u64 {
    // The byte 0xff is in no UTF-8 text, so "a", "bc" and "ab", "c" differ.
    let texts = texts.iter().map(|text| text.as_bytes());
    texts.fold(OFFSET, |hash, text| add(add(hash, text), &[0xff]))
}

/// The fingerprint of what a client writes of an entity; `None` where the shop adds to it, or keeps it in another form.
pub fn content_of(topic: ShopTopic, entity: &str) -> Option<u64> {
    let is_kept = matches!(
        topic,
        ShopTopic::Customer | ShopTopic::Product | ShopTopic::Inventory | ShopTopic::Cart
    );
    if !is_kept {
        return None;
    }
    let mut entity: Value = serde_json::from_str(entity).ok()?;
    let fields = entity.as_object_mut()?;
    // The path names the entity, so a body may leave its id out; and the shop sets a cart's order.
    fields.remove("entity_id");
    fields.remove("order_id");
    Some(fingerprint(&entity))
}

/// The fingerprint of a JSON value, independent of the order of its keys.
pub fn fingerprint(value: &Value) -> u64 {
    mix(OFFSET, value)
}

fn mix(hash: u64, value: &Value) -> u64 {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            let fields = keys.into_iter().fold(add(hash, b"{"), |hash, key| {
                mix(add(add(hash, key.as_bytes()), &[0xff]), &fields[key])
            });
            add(fields, b"}")
        }
        Value::Array(items) => add(items.iter().fold(add(hash, b"["), mix), b"]"),
        Value::String(text) => add(add(add(hash, b"\""), text.as_bytes()), &[0xff]),
        other => add(add(hash, other.to_string().as_bytes()), b","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_entities_have_one_fingerprint_and_different_ones_have_two() {
        let of = |text: &str| fingerprint(&serde_json::from_str(text).unwrap());
        assert_eq!(
            of(r#"{"a":1,"b":["x",2]}"#),
            of(r#"{ "b": ["x",2], "a":1 }"#)
        );
        for (one, other) in [
            (r#"{"a":1}"#, r#"{"a":2}"#),
            (r#"{"a":"1"}"#, r#"{"a":1}"#),
            (r#"["ab","c"]"#, r#"["a","bc"]"#),
            (r#"[["a"],"b"]"#, r#"[["a","b"]]"#),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
}
