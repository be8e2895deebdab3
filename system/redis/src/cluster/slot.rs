//! The slot of a key, and of the first key of a command that the shop sends. Must not know which node has a slot.

use redis::Cmd;

use crate::words::words;

/// The number of a cluster's slots.
pub(crate) const SLOTS: usize = 16_384;

/// CRC16 as Redis Cluster uses it (XMODEM: polynomial 0x1021, no reflection), a byte at a time.
const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The slot of a key: that of its hash tag, if it has one.
pub(crate) fn of_key(key: &[u8]) -> usize {
    let hashed = tag(key).unwrap_or(key);
    let crc = hashed.iter().fold(0_u16, |crc, byte| {
        (crc << 8) ^ CRC[usize::from((crc >> 8) as u8 ^ byte)]
    });
    usize::from(crc) % SLOTS
}

/// What is between the first `{` and the next `}`, unless that is nothing.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let from = key.iter().position(|&byte| byte == b'{')? + 1;
    let length = key[from..].iter().position(|&byte| byte == b'}')?;
    (length > 0).then(|| &key[from..from + length])
}

/// The slot of a command's first key; `None` if it has no key.
pub(crate) fn of_command(cmd: &Cmd) -> Option<usize> {
    let mut words = words(cmd);
    let key = match words.next()? {
        b"ASKING" | b"CLIENT" | b"CLUSTER" | b"CONFIG" | b"INFO" | b"PING" | b"SCRIPT"
        | b"TIME" | b"WAIT" => None,
        b"EVAL" | b"EVALSHA" | b"BLMPOP" => words.nth(2),
        b"XGROUP" | b"XINFO" => words.nth(1),
        b"XREAD" | b"XREADGROUP" => {
            words.find(|word| *word == b"STREAMS")?;
            words.next()
        }
        _ => words.next(),
    };
    key.map(of_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_slot_that_redis_gives_it() {
        // What CLUSTER KEYSLOT of Redis 7.0 says.
        let rows = [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{foo}bar", 12_182),
            ("events:{order}", 16_025),
            ("foo{}{bar}", 8_363),
            ("", 0),
        ];
        for (key, slot) in rows {
            assert_eq!(of_key(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(of_key(b"versions:{order}"), of_key(b"order"));
    }

    #[test]
    fn the_key_is_where_each_command_has_it() {
        let rows = [
            ("GET k", true),
            ("EVAL script 2 k other", true),
            ("EVALSHA sha 1 k argument", true),
            ("BLMPOP 1 1 k LEFT", true),
            ("XINFO STREAM k", true),
            ("XGROUP CREATE k group 0", true),
            ("XREAD COUNT 1 STREAMS k 0", true),
            ("XREADGROUP GROUP g c STREAMS k >", true),
            ("SPUBLISH k text", true),
            ("INFO k", false),
            ("CLIENT LIST", false),
            ("SCRIPT LOAD k", false),
            ("TIME", false),
            ("WAIT 1 1", false),
        ];
        for (text, has_key) in rows {
            let mut words = text.split(' ');
            let mut cmd = redis::cmd(words.next().unwrap());
            cmd.arg(words.collect::<Vec<_>>());
            assert_eq!(of_command(&cmd), has_key.then(|| of_key(b"k")), "{text}");
        }
    }
}
